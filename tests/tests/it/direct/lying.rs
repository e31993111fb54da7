//! Mailboxes that lie can delay letters, and nothing else.

use futures::future::join_all;
use harness::{
    Node, NodeOptions, connected_to, eventually,
    liar::{Liar, Lie},
    seconds,
};
use node::model::DirectState;
use proto::ids::Author;

use super::{BY_MAILBOX, SETTLED, all_are, came, has_mailbox, texts};

const LETTERS: usize = 10;
const SECRET: &str = "the blackbird sings at five";

/// How often the recipient comes back, and asks the mailbox each time.
const RETURNS: usize = 2;

fn joining(liar: &Liar, name: &str) -> NodeOptions {
    NodeOptions::named(name).with(&["--bootstrap", &liar.postman.address.to_string()])
}

async fn one(lie: Lie) {
    let liar = Liar::open().await;
    let mut bob = Node::start(joining(&liar, &format!("bob-{lie:?}"))).await;
    let eve = Node::start(joining(&liar, &format!("eve-{lie:?}"))).await;
    has_mailbox(&bob).await;
    has_mailbox(&eve).await;
    let mut ada = Node::start(NodeOptions::named(&format!("ada-{lie:?}")).joining(&bob)).await;
    connected_to(&ada, 1, seconds(30)).await;
    // The liar helps nobody to find anybody.
    bob.stay();
    ada.stay();
    let mut written = vec!["first".to_owned()];
    ada.api().write(bob.peer_id(), "first").await.unwrap();
    all_are(&ada, 1, DirectState::Delivered, seconds(30)).await;

    liar.lie(lie);
    bob.stop().await;
    for number in 0..LETTERS {
        let text = format!("{SECRET}, {number}");
        ada.api().write(bob.peer_id(), &text).await.unwrap();
        written.push(text);
    }
    all_are(&ada, 1 + LETTERS, DirectState::Sent, BY_MAILBOX).await;
    ada.stop().await;
    knows_nothing(&liar, &ada);

    // Only the mailbox can bring anything now.
    let peer = bob.peer_id().parse().unwrap();
    let rounds = || liar.with_seen(|seen| seen.collected.get(&peer).copied().unwrap_or(0));
    for _ in 0..RETURNS {
        let before = rounds();
        bob.restart().await;
        eventually(&format!("{lie:?}: the mailbox is asked"), SETTLED, async || {
            if rounds() > before { Ok(()) } else { Err("it is not") }
        })
        .await;
        // What was handed over is on its way to the disk.
        bob.stop().await;
    }
    bob.restart().await;
    let by_mailbox = came(&bob, ada.peer_id()).await;
    assert!(is_beginning_or_part(&texts(&by_mailbox), &written), "{lie:?}: {:?}", texts(&by_mailbox));
    assert!(came(&eve, ada.peer_id()).await.is_empty(), "{lie:?}: a letter came to somebody else");

    ada.restart().await;
    all_are(&ada, 1 + LETTERS, DirectState::Delivered, SETTLED).await;
    assert_eq!(texts(&came(&bob, ada.peer_id()).await), written, "{lie:?}");
    assert!(came(&eve, ada.peer_id()).await.is_empty(), "{lie:?}");
}

/// Whether `some` are of `all`, each once and in order.
fn is_beginning_or_part(some: &[&str], all: &[String]) -> bool {
    let mut rest = all.iter();
    some.iter().all(|text| rest.any(|other| other == text))
}

fn knows_nothing(liar: &Liar, ada: &Node) {
    let author = Author::from_peer_id(&ada.peer_id().parse().unwrap()).unwrap();
    liar.with_seen(|seen| {
        let contains =
            |needle: &[u8]| seen.bytes.iter().any(|bytes| bytes.windows(needle.len()).any(|window| window == needle));
        assert!(seen.deposited >= LETTERS, "{} letters were left", seen.deposited);
        assert!(!contains(SECRET.as_bytes()), "the mailbox can read");
        assert!(!contains(&author.0), "the mailbox knows the author");
        assert!(seen.depositors.iter().all(|peer| peer.to_string() != ada.peer_id()), "the author left them itself");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_that_lies_can_delay_letters_but_never_alter_forge_duplicate_or_read_them() {
    // All at once would be 18 nodes on a small machine.
    for some in Lie::ALL.chunks(2) {
        join_all(some.iter().map(|lie| one(*lie))).await;
    }
}
