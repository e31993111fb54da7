//! What people are called on the user's screen.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::{
    Failure,
    client::Client,
    output::{one_line, who},
};
use crate::{model::Person, people::short_id};

/// How long names hold before the node is asked again.
const FRESH: Duration = Duration::from_secs(5);

/// A name for each peer. One that the user gave stands as it is. One that others chose has the end of the peer id behind it, so
/// that it never looks like one that the user gave.
#[derive(Debug, Default)]
pub struct Names {
    labels: BTreeMap<String, String>,
    asked: Option<Instant>,
}

impl Names {
    /// The names of these people.
    pub fn of(people: &[Person]) -> Self {
        let labels = people.iter().map(|person| (person.peer_id.clone(), label(person))).collect();
        Self { labels, asked: None }
    }

    /// The names that the node knows.
    ///
    /// # Errors
    /// See [`Client::people`].
    pub async fn ask(client: &Client) -> Result<Self, Failure> {
        Ok(Self { asked: Some(Instant::now()), ..Self::of(&client.people().await?) })
    }

    /// The same, when they are no longer fresh. With a node that does not answer, the names are those of before.
    pub async fn refresh(&mut self, client: &Client) {
        if self.asked.is_none_or(|asked| asked.elapsed() > FRESH)
            && let Ok(names) = Self::ask(client).await
        {
            *self = names;
        }
    }

    /// They may have changed.
    pub fn forget(&mut self) {
        self.asked = None;
    }

    /// What to call a peer: text that is safe on a terminal.
    pub fn get(&self, peer_id: &str) -> String {
        self.labels.get(peer_id).cloned().unwrap_or_else(|| nameless(peer_id))
    }
}

/// What to call somebody.
pub fn label(person: &Person) -> String {
    match (&person.contact, person.names.first()) {
        (Some(name), _) => one_line(name),
        (None, Some(name)) => who(name, &person.peer_id),
        (None, None) => nameless(&person.peer_id),
    }
}

fn nameless(peer_id: &str) -> String {
    format!("…{}", one_line(short_id(peer_id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(peer_id: &str, contact: Option<&str>, names: &[&str]) -> Person {
        Person {
            peer_id: peer_id.into(),
            contact: contact.map(str::to_owned),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            known: false,
            blocked: false,
            connected: false,
            messages: 0,
        }
    }

    #[test]
    fn a_name_that_others_chose_never_looks_like_one_that_the_user_gave() {
        let names = Names::of(&[
            person("12D3KooWaaaaaa", Some("Ada"), &["countess"]),
            person("12D3KooWbbbbbb", None, &["Ada"]),
            person("12D3KooWcccccc", None, &[]),
        ]);
        let label = |end: &str| names.get(&format!("12D3KooW{end}"));
        let labels = ["aaaaaa", "bbbbbb", "cccccc", "dddddd"].map(label);
        assert_eq!(labels, ["Ada", "Ada (bbbbbb)", "…cccccc", "…dddddd"]);
    }

    #[test]
    fn names_cannot_drive_the_terminal() {
        let names = Names::of(&[person("12D3KooWaaaaaa", Some("A\u{202e}da\u{1b}[2J"), &[])]);
        assert!(!names.get("12D3KooWaaaaaa").contains(['\u{202e}', '\u{1b}']));
    }
}
