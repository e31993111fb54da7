//! What users get wrong: each mistake is one clear line that says what to do, with the right exit code.

use std::{fs, net::TcpListener};

use harness::{
    Node, NodeOptions, Output,
    command::{command_in, run_command},
};
use tempfile::TempDir;

use crate::cli::{ended_with, is_friendly};

async fn run_in(directory: &TempDir, arguments: &[&str]) -> Output {
    let mut command = command_in(None);
    command.env("STARLING_DATA_DIR", directory.path().join("data")).args(arguments);
    run_command(command, "").await
}

async fn refused(options: NodeOptions) -> Output {
    Node::try_start(options).await.err().expect("it does not start")
}

/// Fails unless standard error is one line with all of `words` in it.
#[track_caller]
fn one_line_with(output: &Output, words: &[&str]) {
    is_friendly(output);
    assert_eq!(output.stderr.trim().lines().count(), 1, "one line: {output:#?}");
    for word in words {
        assert!(output.stderr.contains(word), "no '{word}' in {output:#?}");
    }
}

#[tokio::test]
async fn a_command_with_no_node_running_says_how_to_start_one() {
    let directory = TempDir::new().unwrap();
    for command in ["status", "peers", "rooms", "who", "history", "tail"] {
        let output = run_in(&directory, &[command]).await;
        ended_with(3, &output);
        assert!(output.stderr.contains("no node") && output.stderr.contains("node run"), "{output:#?}");
    }
    ended_with(3, &run_in(&directory, &["say", "--json", "hello"]).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_node_counts_as_none() {
    let mut node = Node::start(NodeOptions::default()).await;
    node.kill().await;
    ended_with(3, &node.run(&["status"]).await);
}

#[tokio::test]
async fn wrong_usage_is_told_apart_from_failure() {
    let directory = TempDir::new().unwrap();
    let wrong: [&[&str]; 7] = [
        &["--frobnicate"],
        &["frobnicate"],
        &["say"],
        &["run", "--bootstrap", "/ip4/127.0.0.1/tcpp/4001"],
        &["run", "--bootstrap", "127.0.0.1:4001"],
        &["run", "--listen", "/ip4/127.0.0.1/udp"],
        &["run", "--api", "nowhere"],
    ];
    for arguments in wrong {
        let output = run_in(&directory, arguments).await;
        ended_with(2, &output);
    }
    let output = run_in(&directory, &["run", "--bootstrap", "/ip4/127.0.0.1/tcpp/4001"]).await;
    assert!(output.stderr.contains("tcpp"), "it names the part: {output:#?}");
    assert!(!directory.path().join("data/identity.key").exists(), "a usage error leaves nothing behind");
    ended_with(0, &run_in(&directory, &["--help"]).await);
    ended_with(0, &run_in(&directory, &["--version"]).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_bootstrap_address_is_one_line_of_warning() {
    // A port that was just free, and that nobody listens on now.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("/ip4/127.0.0.1/tcp/{port}");
    let node = Node::start(NodeOptions { bootstrap: vec![address.clone()], ..NodeOptions::default() }).await;
    let warned = || node.log().lines().filter(|line| line.contains(&address)).map(str::to_owned).collect::<Vec<_>>();
    harness::eventually("a warning about the dead address", harness::seconds(20), async || {
        if warned().is_empty() { Err("none") } else { Ok(()) }
    })
    .await;
    node.say("lobby", "alone, and fine").await;
    assert_eq!(warned().len(), 1, "{:#?}", warned());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_api_port_is_a_clear_error_and_the_default_one_is_not() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = refused(NodeOptions { api: address.clone(), ..NodeOptions::default() }).await;
    ended_with(1, &output);
    one_line_with(&output, &[&address, "--api"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_listen_port_is_a_clear_error() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("/ip4/127.0.0.1/tcp/{}", taken.local_addr().unwrap().port());
    let output = refused(NodeOptions { listen: vec![address.clone()], ..NodeOptions::default() }).await;
    ended_with(1, &output);
    one_line_with(&output, &[&address]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_directory_in_use_is_a_clear_error() {
    let node = Node::start(NodeOptions::default()).await;
    let output = refused(NodeOptions { data_dir: Some(node.data_dir().into()), ..NodeOptions::default() }).await;
    ended_with(1, &output);
    one_line_with(&output, &[node.data_dir().to_str().unwrap(), "in use", "--data-dir"]);
    // The first one did not notice.
    node.say("lobby", "still here").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_config_names_the_file_and_the_line() {
    let directory = TempDir::new().unwrap();
    let config = directory.path().join("config.toml");
    let path = config.to_str().unwrap();
    let start = || refused(NodeOptions { arguments: vec!["--config".into(), path.into()], ..NodeOptions::default() });
    for text in [
        "name = \"ada\"\n\nroom = [\"lobby\"\n",
        "name = \"ada\"\n\nfrobnicate = true\n",
        "name = \"ada\"\n\nbootstrap = [\"/ip4/1.2.3.4/tcpp/1\"]\n",
    ] {
        fs::write(&config, text).unwrap();
        let output = start().await;
        assert!(matches!(output.code, Some(1 | 2)), "{output:#?}");
        is_friendly(&output);
        assert!(output.stderr.contains(path), "no file in {output:#?}");
        assert!(
            ["line 3", "line 4", ":3", ":4"].iter().any(|line| output.stderr.contains(line)),
            "no line in {output:#?}"
        );
    }
    fs::remove_file(&config).unwrap();
    let output = start().await;
    assert!(matches!(output.code, Some(1 | 2)), "{output:#?}");
    one_line_with(&output, &[path]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_config_file_sets_what_flags_do_not() {
    let directory = TempDir::new().unwrap();
    let config = directory.path().join("config.toml");
    fs::write(&config, "name = \"from-config\"\n").unwrap();
    let arguments = vec!["--config".into(), config.display().to_string()];
    let flagged = Node::start(NodeOptions { arguments: arguments.clone(), ..NodeOptions::named("from-flag") }).await;
    assert_eq!(flagged.status().await.name, "from-flag");
    let data = directory.path().join("data").display().to_string();
    let more = ["--no-mdns", "--api", "127.0.0.1:0", "--data-dir", &data].map(str::to_owned);
    let configured = Node::start(NodeOptions {
        bare: true,
        arguments: [arguments, more.into()].concat(),
        environment: vec![("STARLING_DATA_DIR".into(), data.clone())],
        ..NodeOptions::default()
    })
    .await;
    assert_eq!(configured.status().await.name, "from-config");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_no_key_is_a_clear_error_and_is_never_overwritten() {
    for garbage in [&b"this is no key"[..], b""] {
        let directory = TempDir::new().unwrap();
        let key = directory.path().join("identity.key");
        fs::write(&key, garbage).unwrap();
        let output = refused(NodeOptions { data_dir: Some(directory.path().into()), ..NodeOptions::default() }).await;
        ended_with(1, &output);
        one_line_with(&output, &[key.to_str().unwrap()]);
        assert_eq!(fs::read(&key).unwrap(), garbage);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_directory_that_cannot_be_is_a_clear_error() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let output = refused(NodeOptions { data_dir: Some(file.join("below")), ..NodeOptions::default() }).await;
    ended_with(1, &output);
    one_line_with(&output, &[file.to_str().unwrap(), "--data-dir"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_or_room_that_cannot_be_is_wrong_usage() {
    for (name, room) in [("", "garden"), (&*"x".repeat(33), "garden"), ("ada", ""), ("ada", &"x".repeat(65))] {
        let output = refused(NodeOptions { rooms: vec![room.into()], ..NodeOptions::named(name) }).await;
        ended_with(2, &output);
    }
}
