//! Letters that no node would send: refused, counted, bounded.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures::{StreamExt, future::join_all, stream};
use harness::{Node, NodeOptions, connected_to, eventually, postman::Postman, process, seconds};
use node::model::DirectState;
use proto::{
    Keypair,
    direct::{
        card::Card,
        letter::{Content, Envelope, Letter, StreamId, Text},
        message::{DirectAnswer, DirectQuestion, Refusal},
    },
    hlc::Timestamp,
    ids::Author,
    seal::SealKey,
    signature::Signer,
    wire,
};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{all_are, came};

/// A node under attack stays below this.
const MAX_RESIDENT_BYTES: u64 = 200 << 20;

/// What strangers send in all.
const ENVELOPES: usize = 100_000;

const STRANGERS: usize = 20;

fn author(node: &Node) -> Author {
    Author::from_peer_id(&node.peer_id().parse().unwrap()).unwrap()
}

fn stranger() -> Signer {
    Signer::new(Keypair::generate_ed25519()).unwrap()
}

async fn card_of(postman: &Postman, node: &Node) -> Card {
    match postman.ask(&node.address_with("/tcp/"), &DirectQuestion::Card(author(node))).await {
        Ok(DirectAnswer::Card(Some(card))) => card.card,
        other => panic!("no card: {other:?}"),
    }
}

fn letter(from: &Signer, to: Author, seq: u64, text: &str) -> Letter {
    let text = Text { stream: StreamId(7), seq, text: text.into(), attachments: Vec::new() };
    Letter { from: from.author(), to, at: Timestamp::from_ms(seq), content: Content::Text(text) }
}

fn sealed(from: &Signer, letter: Letter, key: &SealKey) -> Envelope {
    letter.sign(from).seal(key, &mut rand::rng()).unwrap()
}

async fn refusals(node: &Node, reason: &str) -> u64 {
    let refused = node.api().status().await.unwrap().refused;
    refused.iter().filter(|refusal| refusal.reason == reason).map(|refusal| refusal.count).sum()
}

/// Delivers an envelope under an identity of its own, and returns the answer.
async fn deliver(node: &Node, envelope: Envelope) -> DirectAnswer {
    let postman = Postman::silent().await;
    postman.ask(&node.address_with("/tcp/"), &DirectQuestion::Deliver(envelope)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_replayed_misdirected_changed_sealed_for_an_old_key_or_cut_short_is_refused_and_counted() {
    let bob = Node::start(NodeOptions::named("bob")).await;
    let postman = Postman::silent().await;
    let (card, from) = (card_of(&postman, &bob).await, stranger());
    let to = author(&bob);

    let good = sealed(&from, letter(&from, to, 1, "hello"), &card.key);
    for _ in 0..3 {
        assert_eq!(deliver(&bob, good.clone()).await, DirectAnswer::Delivered, "a replay is no second message");
    }
    let peer = from.author().peer_id().unwrap().to_string();
    assert_eq!(came(&bob, &peer).await.len(), 1);

    let for_another = sealed(&from, letter(&from, stranger().author(), 2, "strayed"), &card.key);
    assert_eq!(deliver(&bob, for_another).await, DirectAnswer::Refused(Refusal::Invalid));
    assert_eq!(refusals(&bob, "letter_not_for_us").await, 1);

    let mut passed_on = sealed(&from, letter(&from, stranger().author(), 3, "strayed"), &card.key);
    passed_on.to = to;
    assert_eq!(deliver(&bob, passed_on).await, DirectAnswer::Refused(Refusal::Invalid));
    let mut changed = sealed(&from, letter(&from, to, 4, "changed"), &card.key);
    let last = changed.sealed.ciphertext.len() - 1;
    changed.sealed.ciphertext[last] ^= 1;
    assert_eq!(deliver(&bob, changed).await, DirectAnswer::Refused(Refusal::Invalid));
    let in_anothers_name = sealed(&stranger(), letter(&from, to, 5, "forged"), &card.key);
    assert_eq!(deliver(&bob, in_anothers_name).await, DirectAnswer::Refused(Refusal::Invalid));
    assert_eq!(refusals(&bob, "letter_invalid").await, 3);

    let old = sealed(&from, letter(&from, to, 6, "late"), &SealKey([9; 32]));
    match deliver(&bob, old).await {
        DirectAnswer::Refused(Refusal::UnknownKey(newer)) => assert_eq!(newer.card.key, card.key),
        other => panic!("{other:?}"),
    }
    assert_eq!(refusals(&bob, "letter_unknown_key").await, 1);

    let whole = wire::encode(&DirectQuestion::Deliver(sealed(&from, letter(&from, to, 7, "cut"), &card.key)));
    let cut = postman.ask_raw(&bob.address_with("/tcp/"), whole[..whole.len() / 2].to_vec()).await;
    assert!(cut.as_ref().map_or(true, Vec::is_empty), "garbage gets no answer: {cut:?}");
    assert!(refusals(&bob, "bad_letter").await >= 4);
    assert_eq!(came(&bob, &peer).await.len(), 1, "nothing of it is in the inbox");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sealed_before_the_recipient_changed_its_key_is_taken_also_after_a_restart() {
    let mut bob = Node::start(NodeOptions::named("bob")).await;
    let postman = Postman::silent().await;
    let (before, from, to) = (card_of(&postman, &bob).await, stranger(), author(&bob));
    let under_way = sealed(&from, letter(&from, to, 1, "sealed for the old key"), &before.key);

    assert_eq!(bob.run(&["key", "rotate"]).await.code, Some(0));
    bob.stop().await;
    bob.restart().await;
    let after = card_of(&Postman::silent().await, &bob).await;
    assert_ne!(after.key, before.key);
    assert_eq!(deliver(&bob, under_way).await, DirectAnswer::Delivered);
    let new = sealed(&from, letter(&from, to, 2, "and for the new one"), &after.key);
    assert_eq!(deliver(&bob, new).await, DirectAnswer::Delivered);
    let peer = from.author().peer_id().unwrap().to_string();
    assert_eq!(came(&bob, &peer).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_envelopes_from_strangers_cost_little_and_keep_nobody_else_out() {
    let ada = Node::start(NodeOptions::named("ada")).await;
    let bob = Node::start(NodeOptions::named("bob").joining(&ada)).await;
    connected_to(&bob, 1, seconds(20)).await;
    // Whoever is known never waits for strangers.
    bob.api().write(ada.peer_id(), "hello").await.unwrap();
    all_are(&bob, 1, DirectState::Delivered, seconds(20)).await;
    let key = card_of(&Postman::silent().await, &bob).await.key;
    let (address, to) = (bob.address_with("/tcp/"), author(&bob));

    let answered = AtomicUsize::new(0);
    let flood = |number: usize| {
        let (address, answered) = (address.clone(), &answered);
        async move {
            let (postman, from) = (Postman::silent().await, stranger());
            let mut rng = StdRng::seed_from_u64(number as u64);
            let mut envelope = sealed(&from, letter(&from, to, 1, "spam"), &key);
            let frames = (0..ENVELOPES / STRANGERS).map(|index| {
                // Every other stranger seals its letters properly, as far as can be told without opening them.
                if number.is_multiple_of(2) && index < 200 {
                    envelope = sealed(&from, letter(&from, to, index as u64 + 1, "spam"), &key);
                } else {
                    rng.fill(&mut envelope.sealed.ciphertext[..]);
                }
                wire::encode(&DirectQuestion::Deliver(envelope.clone()))
            });
            let frames: Vec<Vec<u8>> = frames.collect();
            let asking = frames.into_iter().map(|frame| postman.ask_raw(&address, frame));
            // It may be hung up on.
            let answers = stream::iter(asking).buffer_unordered(16).filter(|answer| std::future::ready(answer.is_ok()));
            answered.fetch_add(answers.count().await, Ordering::Relaxed);
        }
    };
    let honest = async {
        eventually("an honest message comes through", seconds(60), async || {
            ada.api().write(bob.peer_id(), "through the crowd").await?;
            Ok::<_, String>(())
        })
        .await;
        all_are(&ada, 1, DirectState::Delivered, seconds(60)).await;
    };
    tokio::join!(join_all((0..STRANGERS).map(flood)), honest);
    let resident = process::peak_resident_bytes(bob.pid()).unwrap();
    eprintln!("{} answered; {} MiB at most", answered.load(Ordering::Relaxed), resident >> 20);
    assert!(resident < MAX_RESIDENT_BYTES, "{} MiB", resident >> 20);

    let status = bob.api().status().await.unwrap();
    let refused: u64 = status.refused.iter().map(|refusal| refusal.count).sum();
    assert!(refused > 100, "{:?}", status.refused);
    let strangers = bob.api().direct().await.unwrap().iter().filter(|message| message.text == "spam").count();
    assert!(strangers as u64 <= proto::direct::inbox::MAX_STRANGERS_LETTERS, "{strangers} letters of strangers");
    assert_eq!(came(&bob, ada.peer_id()).await.len(), 1);
}
