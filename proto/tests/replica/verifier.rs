//! Whoever builds a replica says how signatures are checked.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use proto::{
    channel::WritePolicy,
    event::Run,
    ids::{Author, LogId},
    live::Verdict,
    log::{Config, Input, Output, Replica},
    offence::Offence,
    signature::{Ed25519, Signature, Verifier},
    time::Now,
};

use crate::{
    hostile::chain,
    sim::{channel, signer},
};

const NOW: Now = Now { mono_ms: 0, wall_ms: 1_800_000_000_000 };

/// Takes nobody's signature for good.
#[derive(Debug)]
struct Distrustful;

impl Verifier for Distrustful {
    fn is_good(&self, _: &Author, _: &[u8], _: &Signature) -> bool {
        false
    }
}

/// What a verifier is asked: by whom, over what, and the signature.
type Asked = (Author, Vec<u8>, [u8; 64]);

/// Checks each signature once.
#[derive(Debug, Default)]
struct Remembering {
    known: Mutex<HashMap<Asked, bool>>,
}

impl Verifier for Remembering {
    fn is_good(&self, author: &Author, signed: &[u8], signature: &Signature) -> bool {
        let mut known = self.known.lock().unwrap();
        let question = (*author, signed.to_vec(), signature.to_bytes());
        *known.entry(question).or_insert_with(|| Ed25519.is_good(author, signed, signature))
    }
}

/// What a replica that was given `verifier` puts out when `run` comes by gossip and the disk takes it.
fn hears(number: u64, verifier: Arc<dyn Verifier>, run: &Run) -> Vec<Output> {
    let signer = signer(number);
    let own_log = LogId(number);
    let policy = WritePolicy::Anyone;
    let mut replica = Replica::new(Config { channel: channel(), policy, signer, verifier, own_log, seed: [1; 32] });
    let from = proto::Keypair::ed25519_from_bytes([9; 32]).unwrap().public().to_peer_id();
    replica.handle(NOW, Input::Gossip { from, token: 7, run: run.clone() });
    let mut outputs = Vec::new();
    while let Some(output) = replica.poll_output() {
        if let Output::Persist { commit, .. } = &output {
            replica.handle(NOW, Input::Persisted { through: *commit });
        }
        outputs.push(output);
    }
    outputs
}

fn verdict(outputs: &[Output]) -> Verdict {
    let verdict = |output: &Output| if let Output::Verdict { verdict, .. } = output { Some(*verdict) } else { None };
    outputs.iter().find_map(verdict).expect("gossip is told")
}

#[test]
fn whether_a_signature_is_good_is_what_the_given_verifier_says() {
    let run = Run::from_events(&chain(1, 7, NOW.wall_ms, 1, 9)).unwrap();
    let outputs = hears(2, Arc::new(Distrustful), &run);
    assert_eq!(verdict(&outputs), Verdict::Reject);
    let blamed = |output: &Output| matches!(output, Output::Penalise { offence: Offence::BadSignature, .. });
    assert!(outputs.iter().any(blamed));
}

#[test]
fn replicas_can_share_what_was_checked_once_and_still_tell_a_forgery() {
    let verifier = Arc::new(Remembering::default());
    let good = Run::from_events(&chain(1, 7, NOW.wall_ms, 1, 9)).unwrap();
    let mut forged = good.clone();
    forged.signature = Signature::from_bytes([3; 64]);
    for number in 2..10 {
        assert_eq!(verdict(&hears(number, verifier.clone(), &forged)), Verdict::Reject);
        assert_eq!(verdict(&hears(number, verifier.clone(), &good)), Verdict::Accept);
    }
    assert_eq!(verifier.known.lock().unwrap().len(), 2);
}
