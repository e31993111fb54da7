//! Private rooms between whole nodes.

use std::time::Duration;

use node::{
    handle::{CallError, DirectFilter},
    model::{Invitation, NodeEvent},
    store::memory::MemoryStore,
    swarm::DirectSettings,
};
use proto::{
    call::{Answer, Question, Topic},
    channel::RoomName,
    ids::{ChannelId, LogId},
    log::message::{SyncRequest, SyncResponse},
    presence::{PresenceRequest, PresenceResponse},
    private::{Invite, rooms::Refused},
    wire,
};

use crate::{Node, PATIENCE, lobby, outsider::Outsider, start, start_with};

fn name(text: &str) -> RoomName {
    text.parse().unwrap()
}

fn garden() -> RoomName {
    name("garden")
}

fn store(number: u64) -> MemoryStore {
    MemoryStore::new(LogId(number))
}

async fn begin(number: u8, bootstrap: &[&Node], store: &MemoryStore) -> Node {
    start_with(number, bootstrap, store.reopen(), DirectSettings::default()).await
}

async fn join(node: &Node, invitation: &Invitation) {
    let joined = node.handle.join_private(invitation.link.parse().unwrap(), None).await.unwrap();
    assert_eq!((joined.room.as_str(), joined.epoch), ("garden", invitation.epoch));
}

/// The texts of a room's history.
async fn texts(node: &Node, room: &RoomName) -> Vec<String> {
    let history = node.handle.history(room.clone(), None, 1_000).await.unwrap();
    history.into_iter().map(|message| message.text).collect()
}

/// Waits until something holds.
async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("{what}"));
}

async fn reads(node: &Node, wanted: &[&str]) {
    until(&format!("{wanted:?} is read"), || async { texts(node, &garden()).await == wanted }).await;
}

async fn is_at(node: &Node, epoch: u32) {
    until(&format!("the epoch is {epoch}"), || async {
        let rooms = node.handle.rooms().await.unwrap();
        let room = rooms.into_iter().find(|room| room.room == "garden");
        room.and_then(|room| room.private).is_some_and(|private| private.epoch == epoch)
    })
    .await;
}

async fn channel_of(node: &Node) -> ChannelId {
    let rooms = node.handle.rooms().await.unwrap();
    rooms.iter().find(|room| room.room == "garden").unwrap().channel.parse().unwrap()
}

async fn say(node: &Node, text: &str) {
    node.handle.say(garden(), text.into()).await.unwrap();
}

/// An owner and members, connected, who all see each other in the room.
async fn meet(owner: &Node, others: &[&Node]) -> Invitation {
    let invitation = owner.handle.create_private(garden()).await.unwrap();
    for other in others {
        join(other, &invitation).await;
    }
    for node in [&[owner], others].concat() {
        until("everybody is there", || async { node.handle.who(garden()).await.unwrap().len() == others.len() + 1 })
            .await;
    }
    invitation
}

#[tokio::test]
async fn members_talk_and_a_latecomer_reads_all_of_it() {
    let ada = start(61, &[]).await;
    let bob = start(62, &[&ada]).await;
    meet(&ada, &[&bob]).await;
    let mut heard = bob.handle.subscribe();
    let said = ada.handle.say(garden(), "hello".into()).await.unwrap();
    assert_eq!(said.room, "garden");
    let live = async {
        loop {
            if let NodeEvent::Message(message) = heard.recv().await.unwrap() {
                return message;
            }
        }
    };
    assert_eq!(tokio::time::timeout(PATIENCE, live).await.unwrap(), said);

    // It knows nobody: the addresses in the link lead it in.
    let late = start(63, &[]).await;
    join(&late, &bob.handle.invitation(garden()).await.unwrap()).await;
    reads(&late, &["hello"]).await;
    let room = late.handle.rooms().await.unwrap().into_iter().find(|room| room.room == "garden").unwrap();
    let private = room.private.unwrap();
    assert_eq!((private.owner, private.is_owner, room.events), (ada.handle.peer_id().to_string(), false, 1));
    until("the members know each other", || async {
        let peers = late.handle.peers().await.unwrap();
        peers.iter().filter(|peer| peer.rooms.contains(&"garden".to_owned())).count() == 2
    })
    .await;
    assert!(texts(&late, &lobby()).await.is_empty());
}

#[tokio::test]
async fn names_and_links_that_will_not_do_get_a_friendly_error() {
    let ada = start(64, &[]).await;
    let bob = start(65, &[&ada]).await;
    let refused = |name: RoomName| CallError::PrivateRoom(Refused::NameTaken(name));
    assert_eq!(ada.handle.create_private(lobby()).await, Err(refused(lobby())));
    let invitation = ada.handle.create_private(garden()).await.unwrap();
    assert_eq!(ada.handle.create_private(garden()).await, Err(refused(garden())));
    ada.handle.join(garden()).await.unwrap();
    assert_eq!(ada.handle.rooms().await.unwrap().len(), 2, "it is in that room already");

    bob.handle.join(garden()).await.unwrap();
    let invite: Invite = invitation.link.parse().unwrap();
    assert_eq!(bob.handle.join_private(invite.clone(), None).await, Err(refused(garden())));
    let shed = name("shed");
    assert_eq!(bob.handle.join_private(invite.clone(), Some(shed.clone())).await.unwrap().room, "shed");
    bob.handle.say(shed.clone(), "from the shed".into()).await.unwrap();
    reads(&ada, &["from the shed"]).await;
    assert!(texts(&bob, &garden()).await.is_empty(), "the open room of that name is another one");

    let not_owner = CallError::PrivateRoom(Refused::NotOwner(shed.clone()));
    assert_eq!(bob.handle.rotate_private(shed.clone(), &[]).await, Err(not_owner));
    let unknown = CallError::PrivateRoom(Refused::Unknown(lobby()));
    assert_eq!(bob.handle.invitation(lobby()).await, Err(unknown.clone()));
    assert_eq!(bob.handle.rotate_private(lobby(), &[]).await, Err(unknown));

    bob.handle.leave(shed.clone()).await.unwrap();
    assert_eq!(bob.handle.say(shed.clone(), "x".into()).await, Err(CallError::NotInRoom(shed.clone())));
    assert_eq!(texts(&bob, &shed).await, ["from the shed"], "what was read can still be read");
    bob.handle.join(shed.clone()).await.unwrap();
    bob.handle.say(shed.clone(), "back".into()).await.unwrap();
    reads(&ada, &["from the shed", "back"]).await;
}

#[tokio::test]
async fn a_room_that_was_left_takes_no_memory_and_goes_on_where_it_was() {
    let ada = start(94, &[]).await;
    let bob = start(95, &[&ada]).await;
    meet(&ada, &[&bob]).await;
    say(&bob, "one").await;
    reads(&ada, &["one"]).await;
    let held = async |node: &Node| node.handle.status().await.unwrap().channels;
    let (with, events) = (held(&bob).await, bob.handle.status().await.unwrap().events);
    // Said in the same breath: it is on its way to the disk when the room is left.
    let (said, left) = tokio::join!(bob.handle.say(garden(), "two".into()), bob.handle.leave(garden()));
    assert!(said.is_ok() && left.is_ok());
    until("the room is gone from memory", || async { held(&bob).await == with - 1 }).await;
    assert_eq!(bob.handle.status().await.unwrap().events, events + 1, "what it held is still known");
    assert_eq!(texts(&bob, &garden()).await, ["one", "two"]);
    say(&ada, "three").await;

    bob.handle.join(garden()).await.unwrap();
    say(&bob, "four").await;
    for node in [&ada, &bob] {
        until("all of it is read, in one log", || async { texts(node, &garden()).await.len() == 4 }).await;
        assert_eq!(node.handle.rooms().await.unwrap().iter().map(|room| room.frozen_logs).sum::<u64>(), 0);
    }
    // Past keys are in memory, and no more of them than are kept.
    for _ in 0..8 {
        ada.handle.rotate_private(garden(), &[]).await.unwrap();
    }
    until("the owner keeps few", || async { held(&ada).await == 2 + proto::private::rooms::MAX_PAST as u64 }).await;
    assert!(texts(&ada, &garden()).await.len() == 4);
}

#[tokio::test]
async fn an_outsider_that_knows_the_channel_learns_nothing_and_cannot_tell_who_is_in_it() {
    let ada = start(66, &[]).await;
    let bob = start(67, &[&ada]).await;
    let stranger = start(68, &[&ada]).await;
    meet(&ada, &[&bob]).await;
    let channel = channel_of(&ada).await;

    let mut outsider = Outsider::new(200);
    for node in [&ada, &bob, &stranger] {
        outsider.dial(&node.address);
    }
    outsider.listen(Duration::from_secs(2)).await;
    assert!(outsider.topics.contains(&channel.topic()), "who subscribes to what is seen");
    say(&ada, "the key is under the mat").await;
    reads(&bob, &["the key is under the mat"]).await;
    outsider.listen(Duration::from_secs(2)).await;
    nothing_is_heard(&outsider, &[&ada, &bob]);
    nobody_answers(&mut outsider, channel, &[&ada, &bob, &stranger]).await;
    assert!(!outsider.hung_up_on, "asking is no offence");
    for node in [&ada, &bob] {
        let outsider_id = outsider.peer_id.to_string();
        let peer = node.handle.peers().await.unwrap().into_iter().find(|peer| peer.peer_id == outsider_id).unwrap();
        assert!(!peer.rooms.contains(&"garden".to_owned()), "who subscribes is not yet in the room");
        let rooms = node.handle.rooms().await.unwrap();
        assert_eq!(rooms.iter().find(|room| room.room == "garden").unwrap().peers, 1);
    }

    // Junk on the topic is held against it, and changes nothing.
    for n in 0..10u8 {
        outsider.gossip(&channel.topic(), vec![n; 200]);
        outsider.listen(Duration::from_millis(50)).await;
    }
    outsider.listen(Duration::from_secs(1)).await;
    assert!(outsider.hung_up_on);
    say(&bob, "still here").await;
    reads(&ada, &["the key is under the mat", "still here"]).await;
}

/// What members say in the garden, and who they are, does not show in what an outsider was sent.
fn nothing_is_heard(outsider: &Outsider, members: &[&Node]) {
    assert!(!outsider.heard.is_empty());
    for bytes in &outsider.heard {
        for secret in ["under the mat", "garden"] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()));
        }
        if wire::decode::<proto::live::Live, 1_000_000>(bytes).is_ok() {
            continue;
        }
        // What is not the lobby's is sealed: not even an author's key shows.
        for node in members {
            let key = proto::ids::Author::from_peer_id(&node.handle.peer_id()).unwrap().0;
            assert!(!bytes.windows(32).any(|window| window == key));
        }
    }
}

/// Whatever an outsider asks about a channel, nodes answer as those that are not in it.
async fn nobody_answers(outsider: &mut Outsider, channel: ChannelId, nodes: &[&Node]) {
    let topics = [
        Topic::Sync(SyncRequest::Vector { after: None }),
        Topic::Presence(PresenceRequest::List { after: None }),
        Topic::Sealed(vec![7; 100]),
        Topic::Sealed(Vec::new()),
    ];
    let expected = [
        Answer::Sync(SyncResponse::Unavailable),
        Answer::Presence(PresenceResponse::Unavailable),
        Answer::Sealed(Vec::new()),
        Answer::Sealed(Vec::new()),
    ];
    for _ in 0..10 {
        for (topic, expected) in topics.iter().zip(&expected) {
            for node in nodes {
                let frame = wire::encode(&Question { channel, topic: topic.clone() });
                let answer = outsider.ask(node.handle.peer_id(), frame).await;
                assert_eq!(answer, Some(wire::encode(expected)), "{topic:?}");
            }
        }
    }
    // Questions that it was asked itself, asked again in its own name.
    let questions = outsider.heard.clone().into_iter().filter(|bytes| wire::decode::<Question, 100_000>(bytes).is_ok());
    let sealed: Vec<Vec<u8>> = questions.filter(|bytes| bytes[1..33] == channel.0).collect();
    assert!(!sealed.is_empty(), "members ask whoever subscribes");
    for frame in sealed {
        for node in nodes {
            let answer = outsider.ask(node.handle.peer_id(), frame.clone()).await;
            assert_eq!(answer, Some(wire::encode(&Answer::Sealed(Vec::new()))));
        }
    }
}

#[tokio::test]
async fn after_a_rotation_those_who_stay_go_on_and_the_one_left_out_reads_nothing_new() {
    let [ada, bob, eve] = [start(71, &[]).await, start(72, &[]).await, start(73, &[]).await];
    for node in [&bob, &eve] {
        node.handle.dial(ada.address.clone()).await.unwrap();
    }
    eve.handle.dial(bob.address.clone()).await.unwrap();
    let first = meet(&ada, &[&bob, &eve]).await;
    say(&ada, "one").await;
    for node in [&bob, &eve] {
        reads(node, &["one"]).await;
    }
    let old = channel_of(&eve).await;
    let mut of_bob = bob.handle.subscribe();
    let rotation = ada.handle.rotate_private(garden(), &[eve.handle.peer_id()]).await.unwrap();
    assert_eq!((rotation.epoch, rotation.told.as_slice()), (1, &[bob.handle.peer_id().to_string()][..]));
    assert_ne!(rotation.link, first.link);
    is_at(&bob, 1).await;
    let told = std::iter::from_fn(|| of_bob.try_recv().ok());
    let rotated = NodeEvent::RoomRotated { room: "garden".into(), epoch: 1 };
    assert_eq!(told.filter(|event| *event == rotated || matches!(event, NodeEvent::RoomLeft { .. })).count(), 1);
    say(&ada, "two").await;
    say(&bob, "three").await;
    reads(&ada, &["one", "two", "three"]).await;
    reads(&bob, &["one", "two", "three"]).await;
    assert_eq!(ada.handle.who(garden()).await.unwrap().len(), 2);

    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(texts(&eve, &garden()).await, ["one"]);
    assert_eq!(channel_of(&eve).await, old);
    assert_eq!(eve.handle.who(garden()).await.unwrap().len(), 1, "the others have gone");
    let letters = eve.handle.messages(DirectFilter { limit: 100, ..DirectFilter::default() }).await.unwrap();
    assert_eq!(letters, []);
    // The link that she still has leads nowhere new; the new one does.
    assert_eq!(eve.handle.join_private(first.link.parse().unwrap(), None).await.unwrap().epoch, 0);
    join(&eve, &Invitation { room: rotation.room, link: rotation.link, epoch: 1 }).await;
    reads(&eve, &["one", "two", "three"]).await;

    // Told are those alone who are named, whoever else is there.
    until("both are noted", || async { ada.handle.private_members(garden()).await.unwrap().len() == 2 }).await;
    let rotation = ada.handle.rotate_private_only(garden(), &[bob.handle.peer_id()]).await.unwrap();
    assert_eq!((rotation.epoch, rotation.told), (2, vec![bob.handle.peer_id().to_string()]));
}

#[tokio::test]
async fn an_owner_that_stops_before_it_has_told_anybody_tells_them_when_it_is_back() {
    let (disk, hub) = (store(81), start(80, &[]).await);
    let ada = begin(81, &[&hub], &disk).await;
    let bob_disk = store(82);
    let bob = begin(82, &[&hub], &bob_disk).await;
    meet(&ada, &[&bob]).await;
    let bob_id = bob.handle.peer_id();
    until("the owner has noted it", || async { ada.handle.private_members(garden()).await.unwrap() == [bob_id] }).await;
    say(&bob, "one").await;
    reads(&ada, &["one"]).await;
    bob.handle.shutdown().await.unwrap();
    // The letter waits: Bob is away, and nobody keeps letters for him.
    let rotation = ada.handle.rotate_private(garden(), &[]).await.unwrap();
    assert_eq!(rotation.told, [bob_id.to_string()]);
    say(&ada, "two").await;
    ada.handle.shutdown().await.unwrap();

    let ada = begin(81, &[&hub], &disk).await;
    assert_eq!(texts(&ada, &garden()).await, ["one", "two"], "over both epochs, after a restart");
    is_at(&ada, 1).await;
    let bob = begin(82, &[&hub], &bob_disk).await;
    is_at(&bob, 1).await;
    reads(&bob, &["one", "two"]).await;
    bob.handle.shutdown().await.unwrap();
    let bob = begin(82, &[&hub], &bob_disk).await;
    is_at(&bob, 1).await;
    say(&bob, "three").await;
    reads(&ada, &["one", "two", "three"]).await;
}

#[tokio::test]
async fn what_was_said_before_a_rotation_still_reaches_members_who_were_away() {
    let [ada, bob] = [start(91, &[]).await, start(92, &[]).await];
    bob.handle.dial(ada.address.clone()).await.unwrap();
    let carol_disk = store(93);
    let carol = begin(93, &[&ada], &carol_disk).await;
    meet(&ada, &[&bob, &carol]).await;
    carol.handle.shutdown().await.unwrap();
    say(&ada, "one").await;
    say(&bob, "two").await;
    reads(&ada, &["one", "two"]).await;
    ada.handle.rotate_private(garden(), &[]).await.unwrap();
    is_at(&bob, 1).await;
    say(&bob, "three").await;
    reads(&ada, &["one", "two", "three"]).await;

    // Carol comes back, says something where nobody else is any more, and then hears of the new key.
    let carol = begin(93, &[], &carol_disk).await;
    say(&carol, "is anybody here?").await;
    carol.handle.dial(ada.address.clone()).await.unwrap();
    is_at(&carol, 1).await;
    for node in [&ada, &bob, &carol] {
        until("all of it is read", || async { texts(node, &garden()).await.len() == 4 }).await;
        let mut page = node.handle.history(garden(), None, 2).await.unwrap();
        let before = page[0].id.parse().unwrap();
        page.splice(0..0, node.handle.history(garden(), Some(before), 2).await.unwrap());
        let paged: Vec<String> = page.into_iter().map(|message| message.text).collect();
        assert_eq!(paged, ["one", "two", "three", "is anybody here?"]);
    }
}
