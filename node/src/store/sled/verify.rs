//! Reading everything once, when the database is under suspicion.

use ::sled::Tree;

use super::{
    Fault,
    index::Index,
    read::{LogView, piece_at},
};

/// Checks that every log is there from its first event to its head, each event naming the one before it.
///
/// # Errors
/// The first fault.
pub(super) fn verify(tree: &Tree, index: &Index) -> Result<(), Fault> {
    // Pages without events, such as those of the id index, are read too.
    for entry in tree.iter() {
        entry?;
    }
    for handle in 0..index.len() {
        let Some(record) = index.log(handle).filter(|record| record.seq > 0) else { continue };
        let log = LogView::new(handle, record);
        let mut last: Option<proto::event::SignedEvent> = None;
        loop {
            let seq = last.as_ref().map_or(1, |signed| signed.event.seq + 1);
            if seq > record.seq {
                break;
            }
            for signed in piece_at(tree, &log, seq)?.into_iter().filter(|signed| signed.event.seq >= seq) {
                let fits = last.as_ref().is_none_or(|last| last.id == signed.event.prev);
                if !fits {
                    return Err(Fault::Damaged(format!("event {} does not follow its predecessor", signed.event.seq)));
                }
                last = Some(signed);
            }
        }
        if last.map(|last| (last.event.seq, last.id)) != Some((record.seq, record.id)) {
            return Err(Fault::Damaged("a log does not end at its head".into()));
        }
    }
    Ok(())
}
