//! What an outbox leaves in its store.

use super::*;

/// The number of a text; 0 for a receipt.
pub fn seq(letter: &Letter) -> u64 {
    match &letter.content {
        Content::Text(Text { seq, .. }) => *seq,
        Content::Receipt(_) => 0,
    }
}

/// What a store would have.
#[derive(Default, Clone)]
pub struct Disk {
    pub letters: BTreeMap<(Author, u64), SavedLetter>,
    pub cards: BTreeMap<Author, SignedCard>,
    pub streams: BTreeMap<Author, SavedStream>,
    last: Timestamp,
}

impl Disk {
    fn stream(&mut self, to: Author) -> &mut SavedStream {
        self.streams.entry(to).or_insert(SavedStream { to, last_seq: 0, read_through: 0 })
    }

    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Written(letter) => {
                let (to, seq) = (letter.letter.to, seq(&letter.letter));
                assert_eq!(self.stream(to).last_seq + 1, seq, "a gap or a number given twice");
                assert!(letter.letter.at > self.last);
                self.stream(to).last_seq = seq;
                self.last = letter.letter.at;
                self.letters.insert((to, seq), SavedLetter { letter, state: State::Queued, kept: vec![] });
            }
            Change::Progress { to, seq, state, kept } => {
                let saved = self.letters.get_mut(&(to, seq)).unwrap();
                assert!(state >= saved.state && (state == saved.state || !saved.state.is_final()));
                (saved.state, saved.kept) = (state, kept);
            }
            Change::Read { to, through } => {
                assert!(through >= self.stream(to).read_through);
                self.stream(to).read_through = through;
            }
            Change::Card(signed) => _ = self.cards.insert(signed.card.owner, signed),
            Change::ForgetCard(owner) => _ = self.cards.remove(&owner),
        }
    }

    pub fn saved(&self) -> Saved {
        Saved {
            letters: self.letters.values().filter(|saved| !saved.state.is_final()).cloned().collect(),
            cards: self.cards.values().cloned().collect(),
            streams: self.streams.values().copied().collect(),
            last: self.last,
        }
    }
}
