//! In which order letters are shown.

use std::collections::{BTreeMap, BTreeSet};

use super::{GAP_PATIENCE_MS, MAX_WAITING_BYTES, Ranges, commits::weight};
use crate::{
    direct::letter::{Letter, StreamId},
    ids::Author,
    time::{Deadline, Now},
};

/// A stream.
type Line = (Author, StreamId);

/// How far each stream is shown, and the durable letters that wait for those before them.
#[derive(Debug, Default)]
pub struct Order {
    lines: BTreeMap<Line, Shown>,
    waiting: BTreeMap<(Line, u64), (Deadline, Letter)>,
    /// The same, by when their patience is over.
    due: BTreeSet<(Deadline, Line, u64)>,
    bytes: usize,
}

/// How far a stream is shown.
#[derive(Debug, Default)]
struct Shown {
    /// All up to this number are shown or given up: what still comes of them is shown at once.
    through: u64,
    /// What was durable when the program started, and counts as shown.
    before: Ranges,
}

impl Order {
    /// Puts back a stream: whatever of it is durable was shown.
    pub fn restore(&mut self, line: Line, durable: &Ranges) {
        self.lines.insert(line, Shown { through: durable.through(), before: durable.clone() });
    }

    /// Takes a letter that has become durable and returns those to be shown now.
    pub fn arrived(&mut self, now: Now, line: Line, seq: u64, letter: Letter) -> Vec<Letter> {
        let shown = self.lines.entry(line).or_default();
        if seq <= shown.through {
            return vec![letter];
        }
        let deadline = now.after(GAP_PATIENCE_MS);
        self.bytes += weight(&letter);
        self.waiting.insert((line, seq), (deadline, letter));
        self.due.insert((deadline, line, seq));
        let mut showing = Vec::new();
        self.advance(line, &mut showing);
        while self.bytes > MAX_WAITING_BYTES {
            self.give_up_first(&mut showing);
        }
        showing
    }

    /// The letters whose patience is over.
    pub fn take_due(&mut self, now: Now) -> Vec<Letter> {
        let mut showing = Vec::new();
        while self.deadline().is_some_and(|deadline| now.reached(deadline)) {
            self.give_up_first(&mut showing);
        }
        showing
    }

    /// When the next one's patience is over.
    pub fn deadline(&self) -> Option<Deadline> {
        self.due.first().map(|(deadline, ..)| *deadline)
    }

    /// Forgets an author's streams; what waits is not shown any more.
    pub fn forget(&mut self, author: &Author) {
        self.lines.retain(|(from, _), _| from != author);
        let gone: Vec<(Line, u64)> = self.waiting.keys().filter(|((from, _), _)| from == author).copied().collect();
        for (line, seq) in gone {
            self.take(line, seq);
        }
    }

    /// Bytes of letters that wait.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Shows the letter that waits longest and all of its stream before it.
    fn give_up_first(&mut self, showing: &mut Vec<Letter>) {
        let Some((_, line, seq)) = self.due.first().copied() else { return };
        while let Some(first) = self.first_waiting(line).filter(|first| *first <= seq) {
            showing.extend(self.take(line, first));
        }
        if let Some(shown) = self.lines.get_mut(&line) {
            shown.through = shown.through.max(seq);
        }
        self.advance(line, showing);
    }

    /// Shows what follows without a gap.
    fn advance(&mut self, line: Line, showing: &mut Vec<Letter>) {
        while let Some(shown) = self.lines.get(&line) {
            let Some(next) = shown.through.checked_add(1) else { return };
            if let Some(letter) = self.take(line, next) {
                showing.push(letter);
            } else if !shown_before(&self.lines, line, next) {
                return;
            }
            if let Some(shown) = self.lines.get_mut(&line) {
                shown.through = next;
            }
        }
    }

    fn first_waiting(&self, line: Line) -> Option<u64> {
        self.waiting.range((line, 0)..=(line, u64::MAX)).next().map(|((_, seq), _)| *seq)
    }

    fn take(&mut self, line: Line, seq: u64) -> Option<Letter> {
        let (deadline, letter) = self.waiting.remove(&(line, seq))?;
        self.due.remove(&(deadline, line, seq));
        self.bytes -= weight(&letter);
        Some(letter)
    }
}

fn shown_before(lines: &BTreeMap<Line, Shown>, line: Line, seq: u64) -> bool {
    lines.get(&line).is_some_and(|shown| shown.before.contains(seq))
}
