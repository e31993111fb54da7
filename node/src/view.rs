//! How stored events become what users see.

use proto::{
    channel::RoomName,
    chat::{ChatMessage, check_name},
    event::{Event, SignedEvent},
    hlc::Timestamp,
    presence::MemberInfo,
    time::Now,
};

use crate::model::{Member, Message};

/// The chat message in an event; `None` for events of other kinds, and for bodies that claim to be chat and are not.
pub fn message(room: &RoomName, signed: &SignedEvent) -> Option<Message> {
    let event: &Event = &signed.event;
    let chat = ChatMessage::from_body(&event.body)?.ok()?;
    Some(Message {
        id: signed.id.to_string(),
        room: room.to_string(),
        author: event.author.peer_id()?.to_string(),
        // Whoever made the event may not have kept to the rules for names.
        name: check_name(&chat.name).map_or_else(|_| "?".to_owned(), |()| chat.name.clone()),
        seq: event.seq,
        hlc: event.hlc.0,
        at: rfc3339(event.hlc),
        text: chat.text,
    })
}

/// Somebody who is in a room; `None` for one whose key is none.
pub fn member(room: &RoomName, now: Now, info: &MemberInfo) -> Option<Member> {
    Some(Member {
        room: room.to_string(),
        peer_id: info.author.peer_id()?.to_string(),
        name: info.profile.name.clone(),
        status: info.profile.status.clone(),
        is_self: info.is_self,
        last_heard_ms: now.mono_ms.saturating_sub(info.heard_ms),
    })
}

/// A timestamp's wall time in RFC 3339, UTC, with milliseconds.
pub fn rfc3339(time: Timestamp) -> String {
    let millis = i64::try_from(time.ms()).unwrap_or(i64::MAX);
    match jiff::Timestamp::from_millisecond(millis) {
        Ok(time) => format!("{time:.3}"),
        // Past the year 9999 there is no RFC 3339 form; the end of the range says "absurdly late" well enough.
        Err(_) => format!("{:.3}", jiff::Timestamp::MAX),
    }
}
