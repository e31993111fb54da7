//! Shares that were announced in a room: messages with a link in them.
//!
//! An announcement is an ordinary message, so that it reaches everybody whom messages reach, also programs that know nothing of files; and a
//! link that somebody pastes is an announcement as well.
//!
//! Nobody vouches for what a link says besides its root. So two links that say different things of the same root are two announcements,
//! each with its author, and whoever repeats one adds addresses to it and changes nothing else.

use std::collections::BTreeMap;

use proto::{
    blob::{BlobId, link::Link, manifest::Content},
    linking::MAX_ADDRESSES,
};

use crate::model::{AnnouncedShare, Message, Share};

/// Announcements that are listed of a room; of more, the newest.
pub const MAX_ANNOUNCED: usize = 1_000;

/// Links that are looked at in one message.
const MAX_LINKS: usize = 8;

/// The text that announces a share; `None` for one that has no link yet.
pub fn text(share: &Share) -> Option<String> {
    Some(format!("{} {}", share.name, share.link.as_ref()?))
}

/// The shares that these messages, oldest first, announce; each once, where it was first announced, with the newest addresses.
pub fn announced(messages: &[Message]) -> Vec<AnnouncedShare> {
    let mut all: Vec<(AnnouncedShare, Link)> = Vec::new();
    let mut known: BTreeMap<(BlobId, u64), usize> = BTreeMap::new();
    for message in messages {
        for link in links(&message.text) {
            let same = *known.entry(proven(&link.content)).or_insert(all.len());
            if let Some((_, first)) = all.get_mut(same) {
                add_addresses(first, link.addresses);
                continue;
            }
            let share = AnnouncedShare {
                number: 0,
                root: link.content.id().to_string(),
                name: link.name.to_string(),
                folder: matches!(link.content, Content::Folder { .. }),
                size: link.content.size(),
                link: String::new(),
                author: message.author.clone(),
                author_name: message.name.clone(),
                at: message.at.clone(),
                seeders: None,
            };
            all.push((share, link));
        }
    }
    let newest = all.split_off(all.len().saturating_sub(MAX_ANNOUNCED));
    (all.len() as u64 + 1..)
        .zip(newest)
        .map(|(number, (share, link))| AnnouncedShare { number, link: link.to_string(), ..share })
        .collect()
}

/// What of a link is proven by the bytes that come, and has to be right for them to come at all: a wrong length finds nobody.
fn proven(content: &Content) -> (BlobId, u64) {
    match content {
        Content::File { root, size } => (*root, *size),
        Content::Folder { manifest, manifest_len, .. } => (*manifest, u64::from(*manifest_len)),
    }
}

/// Adds newer addresses before those that are there; of too many, the oldest go.
fn add_addresses(link: &mut Link, mut addresses: Vec<String>) {
    link.addresses.retain(|address| !addresses.contains(address));
    addresses.append(&mut link.addresses);
    addresses.truncate(MAX_ADDRESSES);
    link.addresses = addresses;
}

/// The links to shares in a text.
pub fn links(text: &str) -> impl Iterator<Item = Link> {
    text.split_whitespace().filter_map(|word| word.parse::<Link>().ok()).take(MAX_LINKS)
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
        let [older, newer] = ["/ip4/192.0.2.1/tcp/1", "/ip4/192.0.2.2/tcp/1"];
        let messages = [
            message("ada", format!("look: {} and {}", link(1, &[older]), link(2, &[]))),
            message("eve", "starling:file/nonsense, and nothing else".into()),
            message("bob", format!("me too\n{}", link(1, &[newer]))),
        ];
        let all = announced(&messages);
        let told: Vec<_> =
            all.iter().map(|share| (share.number, share.name.as_str(), share.size, share.author.as_str())).collect();
        assert_eq!(told, [(1, "file-1", 1_001, "ada"), (2, "file-2", 1_002, "ada")]);
        assert_eq!(all[0].link, link(1, &[newer, older]));
    }

    #[test]
    fn who_says_something_else_of_a_root_that_was_announced_announces_something_else() {
        let ada: Link = link(1, &[]).parse().unwrap();
        let lie = Link { content: Content::File { root: ada.content.id(), size: 1 }, ..ada.clone() };
        let renamed = Link { name: "other".parse().unwrap(), ..ada.clone() };
        let messages = [message("ada", ada.to_string()), message("eve", format!("{lie} {renamed}"))];
        let all = announced(&messages);
        let told: Vec<_> = all.iter().map(|share| (share.author.as_str(), share.link.clone())).collect();
        assert_eq!(told, [("ada", ada.to_string()), ("eve", lie.to_string())]);
    }

    #[test]
    fn of_very_many_links_in_a_message_only_the_first_are_looked_at() {
        let text = (0..50).map(|salt| link(salt, &[])).collect::<Vec<_>>().join(" ");
        assert_eq!(announced(&[message("eve", text)]).len(), MAX_LINKS);
    }
}
