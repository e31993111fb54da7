//! Which share a user means: by a link, a root, the beginning of one, or a name.
//!
//! | what is given | counts |
//! |---|---|
//! | a link, or a full root | as that share |
//! | the name of a share, exactly; at least [`PREFIX_DIGITS`] digits of a root's beginning | alike: it has to fit one share alone |
//!
//! Whoever made a share chose its name, so a name never takes the place of a root: one that looks like the beginning of another
//! share's root makes that beginning ambiguous, and both are listed.

use proto::blob::link::{InvalidLink, Wanted};

use super::{Failure, client::Client};
use crate::model::Share;

/// Digits of a root that can name it: with fewer, a mistyped name would now and then be the beginning of some root.
const PREFIX_DIGITS: usize = 4;

/// Shares that an error names at most.
const MAX_LISTED: usize = 16;

/// Why a text names no share. The user's to mend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotMeant {
    /// A link, but a damaged one.
    #[error(transparent)]
    Link(#[from] InvalidLink),
    /// There is none.
    #[error("{0:?} is nothing that is shared or fetched here; to see what is: node shared, node transfers")]
    Unknown(String),
    /// More than one is.
    #[error("{text:?} may be each of these: {}; give more of the root", .candidates.join(", "))]
    Ambiguous {
        /// What was given.
        text: String,
        /// Roots, with names.
        candidates: Vec<String>,
    },
}

/// The share that `text` means.
///
/// # Errors
/// [`NotMeant`].
pub fn find<'a>(text: &str, shares: &'a [Share]) -> Result<&'a Share, NotMeant> {
    let text = text.trim();
    let unknown = || NotMeant::Unknown(text.into());
    match text.parse::<Wanted>() {
        Ok(wanted) => {
            let root = wanted.id().to_string();
            return shares.iter().find(|share| share.root == root).ok_or_else(unknown);
        }
        Err(error) if Wanted::is_meant(text) => return Err(error.into()),
        Err(_) => {}
    }
    let is_beginning = text.len() >= PREFIX_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let digits = text.to_ascii_lowercase();
    let is_meant = |share: &&Share| share.name == text || is_beginning && share.root.starts_with(&digits);
    let found: Vec<&Share> = shares.iter().filter(is_meant).collect();
    match found.as_slice() {
        [] => Err(unknown()),
        [share] => Ok(share),
        several => {
            let candidate = |share: &&Share| format!("{} ({:?})", share.root, share.name);
            let mut candidates: Vec<String> = several.iter().take(MAX_LISTED).map(candidate).collect();
            if several.len() > MAX_LISTED {
                candidates.push(format!("and {} more", several.len() - MAX_LISTED));
            }
            Err(NotMeant::Ambiguous { text: text.into(), candidates })
        }
    }
}

/// The shares that these texts mean, as the node has them now.
///
/// # Errors
/// [`Failure`] that says what may be meant, or that nothing is; else see [`Client::status`].
pub async fn find_all(client: &Client, texts: &[String]) -> Result<Vec<Share>, Failure> {
    let shares = client.shares().await?;
    texts.iter().map(|text| find(text, &shares).cloned().map_err(Failure::failed)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cli::output::files::sample, model::ShareState};

    fn share(digits: &str, name: &str) -> Share {
        let root = format!("{digits}{}", "0".repeat(64 - digits.len()));
        Share { root, name: name.into(), ..sample(ShareState::Complete) }
    }

    fn all() -> Vec<Share> {
        vec![
            share("abcd12", "murmuration.mp4"),
            share("abcd34", "photos"),
            share("ef56", "photos"),
            share("77", "abcd1"),
        ]
    }

    #[test]
    fn a_share_is_meant_by_its_root_its_beginning_its_name_or_a_link() {
        let all = all();
        let root = &all[0].root;
        for text in [root.clone(), format!(" {}\n", root.to_uppercase()), format!("starling:file/{root}")] {
            assert_eq!(find(&text, &all), Ok(&all[0]), "{text}");
        }
        assert_eq!(find("ABCD12", &all), Ok(&all[0]));
        assert_eq!(find("ef56", &all), Ok(&all[2]));
        assert_eq!(find("murmuration.mp4", &all), Ok(&all[0]));
    }

    #[test]
    fn what_may_mean_two_is_refused_and_both_are_listed() {
        let all = all();
        // The last: a name that somebody chose so that it looks like the root of another.
        for (text, among) in [("abcd", &[0, 1][..]), ("photos", &[1, 2]), ("abcd1", &[0, 3])] {
            let Err(NotMeant::Ambiguous { candidates, .. }) = find(text, &all) else {
                panic!("{:?}", find(text, &all))
            };
            assert_eq!(candidates.len(), among.len(), "{text}");
            for index in among {
                assert!(candidates.iter().any(|candidate| candidate.starts_with(&all[*index].root)), "{candidates:?}");
            }
        }
    }

    #[test]
    fn what_means_nothing_is_told_so_without_driving_the_terminal() {
        let all = all();
        for text in ["", "abc", "Photos", "ef57", &"9".repeat(64), "\u{1b}[2J"] {
            let error = find(text, &all).unwrap_err();
            assert!(matches!(error, NotMeant::Unknown(_)), "{text}: {error}");
            assert!(!error.to_string().contains('\u{1b}'));
        }
        assert!(matches!(find("starling:file/AQ", &all), Err(NotMeant::Link(InvalidLink::Damaged))));
        let twice = vec![share("1111", "a\u{1b}]0;\u{202e}"), share("2222", "a\u{1b}]0;\u{202e}")];
        let error = find("a\u{1b}]0;\u{202e}", &twice).unwrap_err().to_string();
        assert!(!error.contains(['\u{1b}', '\u{202e}']), "{error}");
    }
}
