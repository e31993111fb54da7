//! Whom a user means: the peer behind a peer id, a part of one, or a name.
//!
//! | what is given | counts |
//! |---|---|
//! | a full peer id | as that peer, also when nobody knows it |
//! | the name that the user gave to a contact | before everything that others choose |
//! | the display name of somebody who is in a room now, or was lately, or with whom messages were exchanged; the end of a peer id as it is shown beside names ([`short_id`]); at least [`SURE_CHARS`] characters of a peer id's beginning | alike |
//! | at least [`PREFIX_CHARS`] characters of a peer id's beginning | last |
//!
//! Of the first line that fits anybody, it has to fit one alone. Names are compared without regard to case, peer ids with it. The `12D3KooW`
//! with which all peer ids begin may be left out and does not count; if it is there, any number of characters will do. What this program
//! shows, `NAME (TAIL)` and `…TAIL`, can be given as it stands.
//!
//! A display name is free to choose. One that looks like a part of somebody else's peer id makes that part ambiguous, so that nobody
//! gets what was meant for another by taking on such a name; and it never takes the place of a contact's name.

use libp2p::PeerId;
use proto::ids::Author;
use unicode_normalization::UnicodeNormalization;

use crate::model::Person;

/// Characters at the end of a peer id that are shown beside names.
const SHORT_CHARS: usize = 6;

/// What all peer ids begin with that can be written to.
const COMMON_PREFIX: &str = "12D3KooW";

/// Characters of a peer id's beginning, behind what all have in common, that can name it: with fewer, a mistyped name would now and then
/// be the beginning of some stranger's peer id.
pub const PREFIX_CHARS: usize = 4;

/// Characters of a peer id's beginning that can only be meant as that: as many as are shown.
pub const SURE_CHARS: usize = SHORT_CHARS;

/// Peers that an error names at most.
const MAX_LISTED: usize = 16;

/// Characters of what the user gave that an error repeats.
const MAX_REPEATED: usize = 64;

/// Who this node is itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Own<'a> {
    /// Its peer id.
    pub peer_id: &'a str,
    /// Its display name.
    pub name: &'a str,
}

/// Why a text names nobody. The caller's to mend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NobodyMeant {
    /// There is no text.
    #[error("who is meant? give a name or a peer id")]
    Empty,
    /// A peer id that holds no key.
    #[error("{0} cannot be written to: only Ed25519 peer ids can (12D3KooW…)")]
    NotAnAuthor(PeerId),
    /// This node.
    #[error("that is this node itself; choose somebody else")]
    Oneself,
    /// Nobody is known by it.
    #[error(
        "{0:?} is nobody known here, and names of people who are away are not known for long; give the full peer id (12D3KooW…), or see who \
         is known with: node contact list --all"
    )]
    Unknown(String),
    /// More than one is.
    #[error("{text:?} may be each of these: {}; give more of the peer id", .candidates.join(", "))]
    Ambiguous {
        /// What was given.
        text: String,
        /// Peer ids, with names.
        candidates: Vec<String>,
    },
}

/// The end of a peer id: enough to tell people of one name apart at a glance. Not a proof of anything.
pub fn short_id(peer_id: &str) -> &str {
    peer_id.char_indices().rev().nth(SHORT_CHARS - 1).map_or(peer_id, |(start, _)| &peer_id[start..])
}

/// The peer that `text` means, if it is given in full.
///
/// # Errors
/// [`NobodyMeant::NotAnAuthor`] for a peer id that holds no key.
pub fn in_full(text: &str) -> Result<Option<PeerId>, NobodyMeant> {
    let Ok(peer) = text.trim().parse::<PeerId>() else { return Ok(None) };
    match Author::from_peer_id(&peer) {
        Some(author) if author.public_key().is_some() => Ok(Some(peer)),
        // Some short words are peer ids of no key at all.
        _ if text.trim().len() < COMMON_PREFIX.len() + SURE_CHARS => Ok(None),
        _ => Err(NobodyMeant::NotAnAuthor(peer)),
    }
}

/// The peer that `text` means among `people`, or any if it is given in full.
///
/// # Errors
/// [`NobodyMeant`].
pub fn find(text: &str, people: &[Person], own: Own) -> Result<PeerId, NobodyMeant> {
    let text = text.trim();
    if text.is_empty() {
        return Err(NobodyMeant::Empty);
    }
    if let Some(peer) = in_full(text)? {
        return if peer.to_string() == own.peer_id { Err(NobodyMeant::Oneself) } else { Ok(peer) };
    }
    if let Some(person) = as_shown(text, people) {
        return person.peer_id.parse().map_err(|_| NobodyMeant::Unknown(repeated(text)));
    }
    let name = folded(text);
    let named = |person: &Person| person.contact.as_deref().is_some_and(|contact| folded(contact) == name);
    let seems = |person: &Person| {
        person.names.iter().any(|shown| folded(shown) == name)
            || short_id(&person.peer_id) == text
            || begins(&person.peer_id, text, SURE_CHARS)
    };
    let begun = |person: &Person| begins(&person.peer_id, text, PREFIX_CHARS);
    let ways: [&dyn Fn(&Person) -> bool; 3] = [&named, &seems, &begun];
    for way in ways {
        let found: Vec<&Person> = people.iter().filter(|person| way(person)).collect();
        match found.as_slice() {
            [] => {}
            // A peer id that does not parse is not among those that a node tells of.
            [person] => return person.peer_id.parse().map_err(|_| NobodyMeant::Unknown(repeated(text))),
            several => return Err(ambiguous(text, several)),
        }
    }
    let ourselves =
        folded(own.name) == name || short_id(own.peer_id) == text || begins(own.peer_id, text, PREFIX_CHARS);
    Err(if ourselves { NobodyMeant::Oneself } else { NobodyMeant::Unknown(repeated(text)) })
}

/// The one person who is shown as this text: by a name that others chose, or none, and the end of a peer id.
fn as_shown<'a>(text: &str, people: &'a [Person]) -> Option<&'a Person> {
    let (name, tail) = match text.strip_prefix('…') {
        Some(tail) => (None, tail),
        None => text.strip_suffix(')')?.rsplit_once(" (").map(|(name, tail)| (Some(folded(name)), tail))?,
    };
    let is_meant = |person: &&Person| {
        short_id(&person.peer_id) == tail
            && name.as_ref().is_none_or(|name| person.names.iter().any(|shown| folded(shown) == *name))
    };
    let mut meant = people.iter().filter(is_meant);
    meant.next().filter(|_| meant.next().is_none())
}

/// Whether a contact may have that name: one that could be read as a peer id, or that looks like another, would mislead its user.
pub fn may_name(name: &str) -> bool {
    let looks_like_an_id = name.starts_with(COMMON_PREFIX) || name.parse::<PeerId>().is_ok();
    !looks_like_an_id && name != "-" && name.chars().all(|c| !c.is_control() && !is_invisible(c))
}

/// Characters that take no place or turn the direction: with them, two names look the same and are not.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// The contact of that name, if there is one.
pub fn contact<'a>(name: &str, people: &'a [Person]) -> Option<&'a Person> {
    let name = folded(name.trim());
    people.iter().find(|person| person.contact.as_deref().is_some_and(|contact| folded(contact) == name))
}

/// A name without regard to case, and to how its characters are put together.
fn folded(name: &str) -> String {
    name.nfc().collect::<String>().to_lowercase()
}

/// Whether a peer id begins with `text`, which is at least so long, not counting what all have in common. One that begins with that can only
/// be meant as a peer id, and may be as short as one likes.
fn begins(peer_id: &str, text: &str, at_least: usize) -> bool {
    let own_part = |id: &str| id.strip_prefix(COMMON_PREFIX).map(str::to_owned);
    let given = own_part(text);
    let long_enough = given.is_some() || text.len() >= at_least;
    let of = own_part(peer_id).unwrap_or_else(|| peer_id.to_owned());
    long_enough && of.starts_with(given.as_deref().unwrap_or(text))
}

fn ambiguous(text: &str, several: &[&Person]) -> NobodyMeant {
    let mut candidates: Vec<String> = several.iter().take(MAX_LISTED).map(|person| candidate(person)).collect();
    if several.len() > MAX_LISTED {
        candidates.push(format!("and {} more", several.len() - MAX_LISTED));
    }
    NobodyMeant::Ambiguous { text: repeated(text), candidates }
}

/// A peer id and its names, in quotes and escaped: others chose them.
fn candidate(person: &Person) -> String {
    let mut names: Vec<String> = person.contact.iter().map(|name| format!("contact {name:?}")).collect();
    names.extend(person.names.iter().map(|name| format!("{name:?}")));
    match names.is_empty() {
        true => person.peer_id.clone(),
        false => format!("{} ({})", person.peer_id, names.join(", ")),
    }
}

fn repeated(text: &str) -> String {
    match text.char_indices().nth(MAX_REPEATED) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use libp2p::identity::Keypair;
    use proptest::prelude::*;

    use super::*;

    const OWN: &str = "me myself";

    fn peer(secret: u8) -> PeerId {
        Keypair::ed25519_from_bytes([secret; 32]).unwrap().public().to_peer_id()
    }

    fn person(secret: u8, contact: Option<&str>, names: &[&str]) -> Person {
        Person {
            peer_id: peer(secret).to_string(),
            contact: contact.map(str::to_owned),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            known: false,
            blocked: false,
            connected: false,
            messages: 0,
        }
    }

    fn meant(text: &str, people: &[Person]) -> Result<PeerId, NobodyMeant> {
        find(text, people, Own { peer_id: &peer(0).to_string(), name: OWN })
    }

    fn is_ambiguous(text: &str, people: &[Person], among: &[u8]) {
        let Err(NobodyMeant::Ambiguous { candidates, .. }) = meant(text, people) else {
            panic!("{:?}", meant(text, people))
        };
        assert_eq!(candidates.len(), among.len());
        for secret in among {
            let id = peer(*secret).to_string();
            assert!(candidates.iter().any(|candidate| candidate.contains(&id)), "{id} is not in {candidates:?}");
        }
    }

    #[test]
    fn a_full_peer_id_needs_nobody_to_know_it() {
        assert_eq!(meant(&format!(" {} ", peer(9)), &[]), Ok(peer(9)));
        let other_key = "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N";
        assert!(matches!(meant(other_key, &[]), Err(NobodyMeant::NotAnAuthor(_))));
        // This is a peer id, too: one with no key in it.
        assert!(matches!(meant("11", &[]), Err(NobodyMeant::Unknown(_))));
        assert_eq!(meant("11", &[person(1, Some("11"), &[])]), Ok(peer(1)));
    }

    #[test]
    fn people_are_found_by_name_in_any_case_and_by_either_end_of_their_peer_id() {
        let people = [person(1, Some("Ada Lovelace"), &["countess"]), person(2, None, &["Jürgen"])];
        let id = peer(2).to_string();
        for text in ["jürgen", "JÜRGEN", short_id(&id), &id[8..12], &id[8..20], &id[..11], &id[..40]] {
            assert_eq!(meant(text, &people), Ok(peer(2)), "{text}");
        }
        for text in ["ada lovelace", " Ada Lovelace ", "Countess"] {
            assert_eq!(meant(text, &people), Ok(peer(1)), "{text}");
        }
        for text in ["ada", &id[8..11], &id[8..20].to_lowercase(), &id[20..30]] {
            assert!(matches!(meant(text, &people), Err(NobodyMeant::Unknown(_))), "{text}");
        }
        assert_eq!(meant("  ", &people), Err(NobodyMeant::Empty));
        is_ambiguous("12D3KooW", &people, &[1, 2]);
    }

    #[test]
    fn what_this_program_shows_of_somebody_can_be_given_as_it_stands() {
        let people = [person(1, None, &["Ro\u{301}bert"]), person(2, None, &["Ro\u{301}bert"]), person(3, None, &[])];
        let tail = |secret| short_id(&peer(secret).to_string()).to_owned();
        assert_eq!(meant(&format!("R\u{f3}bert ({})", tail(2)), &people), Ok(peer(2)));
        assert_eq!(meant(&format!("…{}", tail(3)), &people), Ok(peer(3)));
        is_ambiguous("r\u{f3}bert", &people, &[1, 2]);
        let anothers = format!("Eve ({})", tail(2));
        assert!(matches!(meant(&anothers, &people), Err(NobodyMeant::Unknown(_))));
    }

    #[test]
    fn no_contact_is_called_what_could_be_read_as_a_peer_id_or_not_be_seen() {
        let id = peer(1).to_string();
        for name in [&id, &id[..12], "12D3KooW", "-", "a\u{200b}da", "\u{202e}ada", "a\nda"] {
            assert!(!may_name(name), "{name:?}");
        }
        assert!(["Ada", "J\u{fc}rgen 🦊", "12 monkeys"].into_iter().all(may_name));
    }

    #[test]
    fn a_name_that_the_user_gave_comes_before_those_that_others_chose() {
        let id = peer(4).to_string();
        let people = [
            person(1, Some("ada"), &[]),
            person(2, None, &["Ada"]),
            person(3, Some(&id[8..20]), &[]),
            person(4, None, &[]),
        ];
        assert_eq!(meant("Ada", &people), Ok(peer(1)));
        assert_eq!(meant(&id[8..20], &people), Ok(peer(3)));
        assert_eq!(meant(&id, &people), Ok(peer(4)), "but never in the place of a full peer id");
    }

    #[test]
    fn a_name_that_is_exact_comes_before_a_few_characters_of_a_peer_id() {
        let id = peer(1).to_string();
        let people = [person(1, None, &[]), person(2, None, &[&id[8..12]])];
        assert_eq!(meant(&id[8..12], &people), Ok(peer(2)));
        assert_eq!(meant(&id[8..13], &people), Ok(peer(1)));
    }

    #[test]
    fn whoever_takes_the_peer_id_of_another_for_a_name_makes_it_ambiguous_and_gets_nothing() {
        let id = peer(1).to_string();
        for stolen in [short_id(&id), &id[8..14], &id[..30]] {
            is_ambiguous(stolen, &[person(1, None, &["ada"]), person(2, None, &[stolen])], &[1, 2]);
        }
    }

    #[test]
    fn an_ambiguous_name_lists_all_whom_it_may_mean() {
        let people =
            [person(1, Some("Ada"), &[]), person(2, Some("ada"), &["x\"\u{1b}\u{202e}"]), person(3, None, &["ada"])];
        is_ambiguous("ADA", &people, &[1, 2]);
        let text = meant("ADA", &people).unwrap_err().to_string();
        assert!(!text.contains(['\u{1b}', '\u{202e}', '\n']) && text.contains(r#"contact "Ada""#), "{text}");
        let crowd: Vec<Person> = (1..=40).map(|secret| person(secret, None, &["crowd"])).collect();
        let Err(NobodyMeant::Ambiguous { candidates, .. }) = meant("crowd", &crowd) else { panic!("not ambiguous") };
        assert_eq!((candidates.len(), candidates[MAX_LISTED].as_str()), (MAX_LISTED + 1, "and 24 more"));
    }

    #[test]
    fn this_node_itself_is_told_apart_from_nobody() {
        let own = peer(0).to_string();
        for text in [&own, short_id(&own), &own[8..13], "Me Myself"] {
            assert_eq!(meant(text, &[person(1, None, &[])]), Err(NobodyMeant::Oneself), "{text}");
        }
        assert_eq!(meant(OWN, &[person(1, None, &[OWN])]), Ok(peer(1)), "others may have the same name");
    }

    #[test]
    fn an_error_is_one_line_of_a_bounded_length() {
        let text = meant(&"x\n".repeat(10_000), &[]).unwrap_err().to_string();
        assert!(text.len() < 400 && !text.contains('\n'), "{text}");
    }

    #[test]
    fn a_contact_is_found_by_name_in_any_case() {
        let people = [person(1, None, &["ada"]), person(2, Some("Ada"), &[])];
        assert_eq!(contact(" ADA ", &people).map(|person| person.peer_id.clone()), Some(peer(2).to_string()));
        assert_eq!(contact("bob", &people), None);
    }

    fn somebody() -> impl Strategy<Value = Person> {
        let name = || "[a-c]{1,2}";
        (1u8..=40, proptest::option::of(name()), proptest::collection::vec(name(), 0..3)).prop_map(
            |(secret, contact, names)| {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                person(secret, contact.as_deref(), &names)
            },
        )
    }

    fn crowd() -> impl Strategy<Value = Vec<Person>> {
        proptest::collection::vec(somebody(), 0..12).prop_map(|mut people| {
            people.sort_by(|a, b| a.peer_id.cmp(&b.peer_id));
            people.dedup_by(|a, b| a.peer_id == b.peer_id);
            people
        })
    }

    proptest! {
        #[test]
        fn whoever_is_found_is_known_by_what_was_given(people in crowd(), text in "[a-cA-C]{1,2}") {
            let text = text.to_lowercase();
            let of = |name: &str| {
                let named: Vec<&Person> = people.iter().filter(|person| person.contact.as_deref() == Some(name)).collect();
                let shown: Vec<&Person> = people.iter().filter(|person| person.names.iter().any(|shown| shown == name)).collect();
                if named.is_empty() { shown } else { named }
            };
            let fitting = of(&text);
            match meant(&text, &people) {
                Ok(peer) => prop_assert!(fitting.len() == 1 && fitting[0].peer_id == peer.to_string()),
                Err(NobodyMeant::Ambiguous { candidates, .. }) => {
                    prop_assert!(fitting.len() > 1);
                    prop_assert_eq!(candidates.len(), fitting.len());
                }
                Err(NobodyMeant::Unknown(_)) => prop_assert!(fitting.is_empty()),
                Err(other) => prop_assert!(false, "{:?}", other),
            }
        }

        #[test]
        fn more_of_a_peer_id_never_means_somebody_else(people in crowd(), secret in 1u8..=40, length in PREFIX_CHARS..=44) {
            let id = peer(secret).to_string();
            let known = people.iter().any(|person| person.peer_id == id);
            match meant(&id[8..8 + length], &people) {
                Ok(found) => prop_assert!(found.to_string()[8..].starts_with(&id[8..8 + length])),
                Err(_) if length == 44 => prop_assert!(!known),
                Err(_) => {}
            }
            prop_assert_eq!(meant(&id, &people), Ok(peer(secret)));
        }

        #[test]
        fn no_text_is_too_odd(text in any::<String>(), people in crowd()) {
            if let Err(error) = meant(&text, &people) {
                prop_assert!(!error.to_string().chars().any(char::is_control));
            }
        }
    }
}
