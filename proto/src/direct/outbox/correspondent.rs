//! One recipient for whom something waits.

use std::collections::BTreeMap;

use super::{MAX_REKEYS, RECEIPT_DELAY_MS, REDEPOSIT_MS, State, interface::Kept, schedule::Pause};
use crate::{
    backoff::Backoff,
    direct::{
        card::Card,
        letter::{Content, LetterId, MAX_FILE_NAME_BYTES, Receipt, SignedLetter},
    },
    seal::KeyId,
    time::{Deadline, Now},
};

/// Bytes that a letter counts for besides its text and the names of its files.
const LETTER_OVERHEAD_BYTES: usize = 512;

const _: () = assert!(MAX_FILE_NAME_BYTES < LETTER_OVERHEAD_BYTES);

/// A letter whose state is not final, or not durably so.
#[derive(Debug)]
pub struct Waiting {
    /// The letter.
    pub signed: SignedLetter,
    /// Its name.
    pub id: LetterId,
    /// What became of it.
    pub state: State,
    /// What the user knows of that.
    pub told: State,
    /// Who keeps a copy, of the mailboxes that the recipient's card names.
    pub kept: Vec<Kept>,
    /// Whether it would survive a power cut.
    pub durable: bool,
    /// Whether it is on its way to the recipient.
    pub delivering: bool,
    /// How often it was sealed again because the recipient has another key, since the last pause.
    rekeyed: u32,
    /// How often the recipient could make nothing of it.
    pub invalid: u32,
}

impl Waiting {
    /// A letter in this state.
    pub fn new(signed: SignedLetter, state: State, kept: Vec<Kept>, durable: bool) -> Self {
        let id = signed.letter.id();
        Self { signed, id, state, told: state, kept, durable, delivering: false, rekeyed: 0, invalid: 0 }
    }

    /// Bytes that it counts for.
    pub fn weight(&self) -> usize {
        weight(&self.signed.letter.content)
    }

    /// Whether it is to be brought to the recipient.
    pub fn is_open(&self) -> bool {
        self.durable && !self.state.is_final()
    }

    /// Notes what became of it; `false` if that is no news. No state is left for an earlier one, and a final one never.
    pub fn advance(&mut self, state: State) -> bool {
        let news = self.durable && !self.state.is_final() && state > self.state;
        if news {
            self.state = state;
        }
        news
    }

    /// Milliseconds from now until this mailbox should get a copy for this key.
    pub fn needed_in_ms(&self, now: Now, mailbox: &[u8], key: KeyId) -> u64 {
        let copy = self.kept.iter().find(|kept| kept.mailbox == mailbox && kept.key == key);
        // The wall clock may have been set back since: what is from the future is as old as it is far away.
        copy.map_or(0, |kept| REDEPOSIT_MS.saturating_sub(now.wall_ms.abs_diff(kept.since_ms)))
    }

    /// Notes that a mailbox keeps a copy. Those of mailboxes that the recipient does not name any more are of no account.
    pub fn keep(&mut self, copy: Kept, card: Option<&Card>) {
        let is_named =
            |kept: &Kept| card.is_none_or(|card| card.mailboxes.iter().any(|mailbox| mailbox.peer == kept.mailbox));
        self.kept.retain(|kept| kept.mailbox != copy.mailbox && is_named(kept));
        self.kept.push(copy);
    }
}

/// Bytes that a letter counts for.
pub fn weight(content: &Content) -> usize {
    match content {
        Content::Text(text) => {
            let names: usize = text.attachments.iter().map(|file| file.name.len() + 48).sum();
            LETTER_OVERHEAD_BYTES + text.text.len() + names
        }
        Content::Receipt(_) => LETTER_OVERHEAD_BYTES,
    }
}

/// What the recipient is to be told of its own letters.
#[derive(Debug)]
pub struct Telling {
    /// What.
    pub receipt: Receipt,
    /// Larger with each receipt, whoever it is for.
    pub version: u64,
    /// When it may be left with mailboxes.
    pub deposit_at: Deadline,
    /// Whether it, or one before it, is on its way to the recipient.
    pub delivering: bool,
    /// How often it was sealed again because the recipient has another key, since the last pause.
    rekeyed: u32,
}

impl Telling {
    /// A receipt to bring in the place of the one before. What is collected together is left with mailboxes together.
    pub fn new(now: Now, receipt: Receipt, version: u64, before: Option<&Telling>) -> Self {
        let collecting = before.map(|before| before.deposit_at).filter(|at| !now.reached(*at));
        Self {
            receipt,
            version,
            deposit_at: collecting.unwrap_or(now.after(RECEIPT_DELAY_MS)),
            delivering: before.is_some_and(|before| before.delivering),
            rekeyed: before.map_or(0, |before| before.rekeyed),
        }
    }
}

/// How it stands with one mailbox of a recipient.
#[derive(Debug, Default)]
pub struct Slot {
    /// After failures.
    pub pause: Pause,
    /// Whether a deposit is under way.
    pub busy: bool,
    /// Whether it does not keep letters for this recipient (any more).
    pub refused: bool,
    /// The version of the last receipt that was left there.
    pub receipt: u64,
}

/// What waits for one recipient, and how it gets there.
#[derive(Debug, Default)]
pub struct Correspondent {
    /// The letters, by their numbers.
    pub letters: BTreeMap<u64, Waiting>,
    /// Bytes that they count for.
    pub bytes: usize,
    /// The receipt.
    pub telling: Option<Telling>,
    /// Questions to the recipient that are not answered yet.
    pub asking: usize,
    /// Whether one of them is for its card.
    pub asking_card: bool,
    /// After failures of the direct way.
    pub direct: Pause,
    /// The mailboxes, by peer id.
    pub slots: BTreeMap<Vec<u8>, Slot>,
    /// How often it was looked for in vain.
    pub search: Backoff,
}

/// Something to bring to a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item {
    /// The receipt, of this version.
    Receipt(u64),
    /// The letter with this number.
    Letter(u64),
}

impl Correspondent {
    /// Takes in a letter.
    pub fn insert(&mut self, seq: u64, letter: Waiting) {
        self.bytes += letter.weight();
        self.letters.insert(seq, letter);
    }

    /// Forgets a letter.
    pub fn remove(&mut self, seq: u64) -> Option<Waiting> {
        let letter = self.letters.remove(&seq)?;
        self.bytes -= letter.weight();
        Some(letter)
    }

    /// Whether there are letters to bring.
    pub fn has_letters(&self) -> bool {
        self.letters.values().any(Waiting::is_open)
    }

    /// Notes whether something is on its way to the recipient. A newer receipt waits for the one before it.
    pub fn set_delivering(&mut self, item: Item, delivering: bool) {
        match item {
            Item::Letter(seq) => {
                if let Some(letter) = self.letters.get_mut(&seq) {
                    letter.delivering = delivering;
                }
            }
            Item::Receipt(_) => {
                if let Some(telling) = &mut self.telling {
                    telling.delivering = delivering;
                }
            }
        }
    }

    /// Whether something may be sealed again at once: the recipient has another key.
    pub fn may_rekey(&mut self, item: Item) -> bool {
        let rekeyed = match item {
            Item::Letter(seq) => self.letters.get_mut(&seq).map(|letter| &mut letter.rekeyed),
            Item::Receipt(_) => self.telling.as_mut().map(|telling| &mut telling.rekeyed),
        };
        rekeyed.is_some_and(|rekeyed| {
            *rekeyed = (*rekeyed + 1) % (MAX_REKEYS + 1);
            *rekeyed > 0
        })
    }

    /// Whether there is anything to remember.
    pub fn is_idle(&self) -> bool {
        let depositing = self.slots.values().any(|slot| slot.busy);
        self.letters.is_empty() && self.telling.is_none() && self.asking == 0 && !depositing
    }

    /// What to bring next: the receipt, then the letters in order.
    pub fn next_to_deliver(&self) -> Option<Item> {
        if let Some(telling) = self.telling.as_ref().filter(|telling| !telling.delivering) {
            return Some(Item::Receipt(telling.version));
        }
        let (seq, _) = self.letters.iter().find(|(_, letter)| letter.is_open() && !letter.delivering)?;
        Some(Item::Letter(*seq))
    }

    /// What to leave with a mailbox now, letters in order.
    pub fn to_deposit<'a>(&'a self, now: Now, mailbox: &'a [u8], key: KeyId) -> impl Iterator<Item = Item> + 'a {
        let is_due = self.receipt_needed_at(mailbox).is_some_and(|at| now.reached(at));
        let receipt = self.telling.as_ref().filter(|_| is_due).map(|telling| Item::Receipt(telling.version));
        let needed = move |letter: &Waiting| letter.is_open() && letter.needed_in_ms(now, mailbox, key) == 0;
        let letters = self.letters.iter().filter(move |(_, letter)| needed(letter)).map(|(seq, _)| Item::Letter(*seq));
        receipt.into_iter().chain(letters)
    }

    /// When something should be left with a mailbox next.
    pub fn needed_at(&self, now: Now, mailbox: &[u8], key: KeyId) -> Option<Deadline> {
        let open = self.letters.values().filter(|letter| letter.is_open());
        let letters = open.map(|letter| now.after(letter.needed_in_ms(now, mailbox, key))).min();
        Deadline::earliest(letters, self.receipt_needed_at(mailbox))
    }

    fn receipt_needed_at(&self, mailbox: &[u8]) -> Option<Deadline> {
        let left = self.slots.get(mailbox).map_or(0, |slot| slot.receipt);
        self.telling.as_ref().filter(|telling| telling.version > left).map(|telling| telling.deposit_at)
    }
}
