//! A mailbox with a store, by itself.

use super::*;

/// A mailbox and its store. Every question has the token 7.
pub struct House {
    pub keeper: Keeper,
    pub store: Store,
    pub now: Now,
}

impl House {
    /// Where the recipients 1 to `recipients` are registered.
    pub fn new(recipients: u8, settings: Settings) -> Self {
        let store = Store::default();
        let mut house = Self { keeper: store.open(at(0), settings), store, now: at(0) };
        for n in 1..=recipients {
            let outputs = house.register(n, card(n, 1));
            assert_eq!(outputs[0], Output::Provide(author(n)));
        }
        house
    }

    /// Tells the mailbox, and gives what it wants done but for the store.
    pub fn tell(&mut self, input: Input) -> Vec<Output> {
        self.keeper.handle(self.now, input);
        self.outputs()
    }

    pub fn outputs(&mut self) -> Vec<Output> {
        let outputs: Vec<Output> = std::iter::from_fn(|| self.keeper.poll_output()).collect();
        outputs.into_iter().filter_map(|output| self.store.queue(output)).collect()
    }

    /// Lets the store do all that is asked.
    pub fn persist(&mut self) -> Vec<Output> {
        self.store.apply(usize::MAX).map_or(Vec::new(), |through| self.tell(Input::Persisted { through }))
    }

    pub fn done(&mut self, input: Input) -> Vec<Output> {
        let mut outputs = self.tell(input);
        outputs.extend(self.persist());
        outputs
    }

    pub fn register(&mut self, asker: u8, card: SignedCard) -> Vec<Output> {
        self.register_from(HOME, asker, card)
    }

    pub fn register_from(&mut self, from: Depositor, asker: u8, card: SignedCard) -> Vec<Output> {
        self.done(Input::Register { token: 7, asker: author(asker), from, card })
    }

    pub fn deposit(&mut self, depositor: Depositor, envelopes: Vec<Envelope>) -> Vec<Output> {
        self.done(Input::Deposit { token: 7, depositor, envelopes })
    }

    pub fn collect(&mut self, asker: u8, after: Option<EnvelopeId>) -> Vec<Output> {
        self.done(Input::Collect { token: 7, asker: author(asker), after })
    }

    pub fn discard(&mut self, asker: u8, ids: Vec<EnvelopeId>) -> Vec<Output> {
        self.done(Input::Discard { token: 7, asker: author(asker), ids })
    }

    pub fn card(&mut self, n: u8) -> Option<SignedCard> {
        match self.tell(Input::Card { token: 7, author: author(n) }).pop() {
            Some(Output::Answer { answer: DirectAnswer::Card(card), .. }) => card,
            other => panic!("{other:?}"),
        }
    }

    /// Lets time pass on both clocks, with all timeouts on the way.
    pub fn pass(&mut self, ms: u64) -> Vec<Output> {
        let (end, mut outputs) = (self.now.after(ms), Vec::new());
        while let Some(Deadline(due_ms)) = self.keeper.poll_timeout().filter(|due| *due < end) {
            self.skip(due_ms.saturating_sub(self.now.mono_ms));
            self.keeper.handle_timeout(self.now);
            outputs.extend(self.outputs());
            outputs.extend(self.persist());
        }
        self.skip(end.0 - self.now.mono_ms);
        self.keeper.handle_timeout(self.now);
        outputs.extend(self.outputs());
        outputs.extend(self.persist());
        outputs
    }

    pub fn skip(&mut self, ms: u64) {
        self.now.mono_ms += ms;
        self.now.wall_ms += ms;
    }
}
