//! The programs under test.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// The real `node` program, built once for each run of the tests with the profile and into the target directory that the
/// tests themselves were built with. `STARLING_NODE_BIN` names one to be used instead.
pub fn node_binary() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| env::var_os("STARLING_NODE_BIN").map_or_else(|| build("node"), PathBuf::from))
}

/// The real `sim` program, as [`node_binary`]; `STARLING_SIM_BIN` names another.
pub fn sim_binary() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| env::var_os("STARLING_SIM_BIN").map_or_else(|| build("sim"), PathBuf::from))
}

/// Where this process was built: the target directory, the target triple if it was named, and the profile's directory.
struct Built {
    target_dir: PathBuf,
    triple: Option<String>,
    profile_dir: PathBuf,
}

impl Built {
    fn of_this_process() -> Self {
        let exe = env::current_exe().expect("the path of this process");
        let mut profile_dir = exe.parent().expect("a program is in a directory");
        if profile_dir.ends_with("deps") {
            profile_dir = profile_dir.parent().expect("deps is in the profile's directory");
        }
        // Cargo marks the root of a target directory; between it and the profile stands the triple of `--target`.
        let target_dir = profile_dir
            .ancestors()
            .skip(1)
            .find(|dir| dir.join("CACHEDIR.TAG").exists())
            .unwrap_or_else(|| profile_dir.parent().expect("the profile's directory is in the target directory"));
        let triple = profile_dir.parent().filter(|dir| *dir != target_dir).and_then(|dir| dir.file_name());
        Self {
            target_dir: target_dir.into(),
            triple: triple.map(|name| name.to_string_lossy().into_owned()),
            profile_dir: profile_dir.into(),
        }
    }

    fn profile(&self) -> String {
        match self.profile_dir.file_name().expect("a profile has a name").to_string_lossy().as_ref() {
            "debug" => "dev".into(),
            name => name.into(),
        }
    }
}

fn build(program: &str) -> PathBuf {
    let built = Built::of_this_process();
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["build", "--quiet", "--workspace", "--bin", program]);
    command.args(["--profile", &built.profile(), "--manifest-path"]);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml"));
    command.arg("--target-dir").arg(&built.target_dir);
    if let Some(triple) = &built.triple {
        command.args(["--target", triple]);
    }
    let status = command.status().expect("cargo can be run");
    assert!(status.success(), "building {program} failed: {command:?}");
    built.profile_dir.join(format!("{program}{}", env::consts::EXE_SUFFIX))
}
