//! What an independent implementation of BitTorrent v2 makes of the same bytes, asked now. What `proto` makes of them is compared with the
//! same lines in `proto/tests/bittorrent.rs`.

use std::process::Command;

use harness::skip;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../proto/tests/scripts/torrent_roots.py");
const LINES: &str = include_str!("../../../proto/tests/bittorrent.txt");

/// Debian's packages are for Debian's Python; another may come first in the path.
const PYTHONS: [&str; 2] = ["/usr/bin/python3", "python3"];

#[test]
fn libtorrent_finds_the_roots_that_are_on_record() {
    let has_libtorrent = |python: &&&str| {
        let import = Command::new(python).args(["-c", "import libtorrent"]).output();
        import.is_ok_and(|output| output.status.success())
    };
    let Some(python) = PYTHONS.iter().find(has_libtorrent) else {
        return skip("roots by libtorrent", "python3-libtorrent is not installed");
    };
    let output = Command::new(python).arg(SCRIPT).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let made = String::from_utf8(output.stdout).unwrap();
    let facts = |text: &str| text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>();
    assert!(facts(&made).len() > 10);
    assert_eq!(facts(&made), facts(LINES));
}
