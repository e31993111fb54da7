//! The side that answers.

use super::{
    Output,
    message::{MAX_VECTOR_ENTRIES, MAX_WANTS, SyncRequest, SyncResponse, Want},
    shelf::Shelf,
};

/// Whether a request names more than any may.
pub fn is_oversized(request: &SyncRequest) -> bool {
    match request {
        SyncRequest::Have(entries) => entries.len() > MAX_VECTOR_ENTRIES,
        SyncRequest::Range(wants) => wants.len() > MAX_WANTS,
        SyncRequest::Compare(_) | SyncRequest::Vector { .. } | SyncRequest::Evidence(_) | SyncRequest::Refused(_) => {
            false
        }
    }
}

/// The answer to a request, or the order to read it from the store. Only what is durable is shown to anyone: a power cut
/// could still take back the rest.
pub fn answer(shelf: &Shelf, token: u64, request: SyncRequest) -> Output {
    let response = match request {
        SyncRequest::Compare(hash) if hash == shelf.hash() => SyncResponse::Same,
        SyncRequest::Compare(_) => {
            let (entries, more) = shelf.page(None);
            SyncResponse::Vector { entries, more }
        }
        SyncRequest::Vector { after } => {
            let (entries, more) = shelf.page(after);
            SyncResponse::Vector { entries, more }
        }
        SyncRequest::Range(wants) if wants.len() > MAX_WANTS => SyncResponse::Unavailable,
        SyncRequest::Range(wants) => {
            let wants = wants.into_iter().filter_map(|want| clip(shelf, want)).collect();
            return Output::ServeRuns { token, wants };
        }
        SyncRequest::Evidence(key) => return Output::ServeEvidence { token, key },
        SyncRequest::Have(_) | SyncRequest::Refused(_) => SyncResponse::Noted,
    };
    Output::Respond { token, response }
}

/// What of a want is durable here.
fn clip(shelf: &Shelf, want: Want) -> Option<Want> {
    let to = want.to.min(shelf.log(&want.key()).durable.seq);
    (want.from >= 1 && want.from <= to).then_some(Want { to, ..want })
}
