//! Shares that were announced in a room: messages with a link in them.
//!
//! An announcement is an ordinary message, so that it reaches everybody whom messages reach, also programs that know nothing of files; and a
//! link that somebody pastes is an announcement as well.

use std::collections::BTreeMap;

use proto::blob::{link::Link, manifest::Content};

use crate::model::{AnnouncedShare, Message, Share};

/// Announcements that are listed of a room; of more, the newest.
pub const MAX_ANNOUNCED: usize = 1_000;

/// Links that are looked at in one message.
const MAX_LINKS: usize = 8;

/// The text that announces a share; `None` for one that has no link yet.
pub fn text(share: &Share) -> Option<String> {
    Some(format!("{} {}", share.name, share.link.as_ref()?))
}

/// The shares that these messages, oldest first, announce; each once, where it was first announced, with the newest link.
pub fn announced(messages: &[Message]) -> Vec<AnnouncedShare> {
    let mut all: Vec<AnnouncedShare> = Vec::new();
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    for message in messages {
        for (word, link) in links(&message.text) {
            let root = link.content.id().to_string();
            if let Some(at) = known.get(&root) {
                all[*at].link = word.to_owned();
                continue;
            }
            known.insert(root.clone(), all.len());
            all.push(AnnouncedShare {
                number: 0,
                root,
                name: link.name.to_string(),
                folder: matches!(link.content, Content::Folder { .. }),
                size: link.content.size(),
                link: word.to_owned(),
                author: message.author.clone(),
                author_name: message.name.clone(),
                at: message.at.clone(),
                seeders: None,
            });
        }
    }
    for (number, share) in (1..).zip(&mut all) {
        share.number = number;
    }
    all.split_off(all.len().saturating_sub(MAX_ANNOUNCED))
}

/// The links to shares in a text, with the words that they are.
pub fn links(text: &str) -> impl Iterator<Item = (&str, Link)> {
    let words = text.split_whitespace().filter_map(|word| Some((word, word.parse::<Link>().ok()?)));
    words.take(MAX_LINKS)
}

#[cfg(test)]
mod tests {
    use proto::blob::BlobId;

    use super::*;

    fn message(author: &str, text: String) -> Message {
        Message {
            id: String::new(),
            room: "lobby".into(),
            author: author.into(),
            name: author.into(),
            seq: 1,
            hlc: 1,
            at: "2026-01-01T00:00:00.000Z".into(),
            text,
        }
    }

    fn link(salt: u8, addresses: &[&str]) -> String {
        let content = Content::File { root: BlobId([salt; 32]), size: 1_000 + u64::from(salt) };
        let addresses = addresses.iter().map(ToString::to_string).collect();
        Link { content, name: format!("file-{salt}").parse().unwrap(), addresses }.to_string()
    }

    #[test]
    fn a_share_is_announced_by_any_message_with_its_link_and_listed_once() {
        let newer = link(1, &["/ip4/192.0.2.1/tcp/1"]);
        let messages = [
            message("ada", format!("look: {} and {}", link(1, &[]), link(2, &[]))),
            message("eve", "starling:file/nonsense, and nothing else".into()),
            message("bob", format!("me too\n{newer}")),
        ];
        let all = announced(&messages);
        let told: Vec<_> =
            all.iter().map(|share| (share.number, share.name.as_str(), share.size, share.author.as_str())).collect();
        assert_eq!(told, [(1, "file-1", 1_001, "ada"), (2, "file-2", 1_002, "ada")]);
        assert_eq!(all[0].link, newer);
    }

    #[test]
    fn of_very_many_links_in_a_message_only_the_first_are_looked_at() {
        let text = (0..50).map(|salt| link(salt, &[])).collect::<Vec<_>>().join(" ");
        assert_eq!(announced(&[message("eve", text)]).len(), MAX_LINKS);
    }
}
