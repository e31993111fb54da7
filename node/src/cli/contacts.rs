//! `node contact`: people by names of the user's own, whom to take nothing from, and whether they are who they should be.

use clap::Subcommand;
use serde_json::json;

use super::{
    Failure,
    client::{Client, Target},
    names::Names,
    output::{Output, direct, one_line},
    qr,
};
use crate::model::Person;

/// What one does with contacts.
#[derive(Debug, Subcommand)]
pub enum ContactCommand {
    /// Give somebody a name that only you see
    Add {
        #[command(flatten)]
        target: Target,
        /// Who: a display name, a peer id, or its beginning
        peer: String,
        /// The name
        #[arg(required = true)]
        name: Vec<String>,
    },
    /// Show the people whom you have named or blocked
    List {
        #[command(flatten)]
        target: Target,
        /// Everybody this node knows, such as those who are in a room now
        #[arg(long)]
        all: bool,
    },
    /// Give a contact another name
    Rename {
        #[command(flatten)]
        target: Target,
        /// Who: the name so far, or a peer id
        peer: String,
        /// The new name
        #[arg(required = true)]
        name: Vec<String>,
    },
    /// Take a contact's name away; messages stay
    Remove(Who),
    /// Take no direct messages from somebody any more
    Block(Who),
    /// Take direct messages of somebody again
    Unblock(Who),
    /// Throw away the messages of somebody whom you do not know, to make room for others'
    Dismiss {
        #[command(flatten)]
        target: Target,
        /// Who: a display name, a peer id, or its beginning
        #[arg(required_unless_present = "strangers")]
        peer: Option<String>,
        /// Those of everybody whom you neither named, blocked nor wrote to
        #[arg(long, conflicts_with = "peer")]
        strangers: bool,
    },
    /// Show the safety number: whoever sees the same one is who you think
    Verify(Who),
}

/// One person.
#[derive(Debug, clap::Args)]
pub struct Who {
    #[command(flatten)]
    target: Target,
    /// Who: a contact's name, a display name, a peer id, or its beginning
    peer: String,
}

impl ContactCommand {
    /// Which node it is for.
    pub fn target_mut(&mut self) -> &mut Target {
        match self {
            Self::Add { target, .. }
            | Self::List { target, .. }
            | Self::Rename { target, .. }
            | Self::Dismiss { target, .. } => target,
            Self::Remove(who) | Self::Block(who) | Self::Unblock(who) | Self::Verify(who) => &mut who.target,
        }
    }
}

/// Carries out a command about contacts.
///
/// # Errors
/// [`Failure`].
pub async fn carry_out(command: ContactCommand, out: Output) -> Result<(), Failure> {
    match command {
        ContactCommand::Add { target, peer, name } => add(target.find()?, &peer, &name.join(" "), out).await,
        ContactCommand::List { target, all } => list(target.find()?, all, out).await,
        ContactCommand::Rename { target, peer, name } => rename(target.find()?, &peer, &name.join(" "), out).await,
        ContactCommand::Remove(Who { target, peer }) => {
            let (client, found) = find(target, &peer).await?;
            let name = found.contact()?.to_owned();
            client.remove_contact(&found.peer_id).await?;
            out.show(&json!({ "removed": name, "peer_id": found.peer_id }), |_| {
                format!("{} is no contact any more", one_line(&name))
            })
        }
        ContactCommand::Block(Who { target, peer }) => {
            let (client, found) = find(target, &peer).await?;
            client.block(&found.peer_id, true).await?;
            out.show(&json!({ "blocked": true, "peer_id": found.peer_id }), |_| {
                format!("no direct messages are taken from {} any more", found.name)
            })
        }
        ContactCommand::Unblock(Who { target, peer }) => {
            let (client, found) = find(target, &peer).await?;
            client.block(&found.peer_id, false).await?;
            out.show(&json!({ "blocked": false, "peer_id": found.peer_id }), |_| {
                format!("direct messages of {} are taken again", found.name)
            })
        }
        ContactCommand::Dismiss { target, peer, .. } => dismiss(target.find()?, peer.as_deref(), out).await,
        ContactCommand::Verify(Who { target, peer }) => {
            let (client, found) = find(target, &peer).await?;
            verify(&client, &found, out).await
        }
    }
}

/// Whom the user means, and what the node knows.
struct Found {
    peer_id: String,
    name: String,
    person: Option<Person>,
}

impl Found {
    /// The name that the user gave.
    fn contact(&self) -> Result<&str, Failure> {
        let contact = self.person.as_ref().and_then(|person| person.contact.as_deref());
        contact.ok_or_else(|| {
            Failure::Failed(format!(
                "{} is no contact; add one with: node contact add {} NAME",
                self.name, self.peer_id
            ))
        })
    }
}

async fn find(target: Target, peer: &str) -> Result<(Client, Found), Failure> {
    let client = target.find()?;
    let found = look_up(&client, peer).await?;
    Ok((client, found))
}

async fn look_up(client: &Client, peer: &str) -> Result<Found, Failure> {
    let peer_id = client.find(peer).await?;
    let people = client.people().await?;
    let name = Names::of(&people).get(&peer_id);
    let person = people.into_iter().find(|person| person.peer_id == peer_id);
    Ok(Found { peer_id, name, person })
}

async fn add(client: Client, peer: &str, name: &str, out: Output) -> Result<(), Failure> {
    let found = look_up(&client, peer).await?;
    if let Ok(known_as) = found.contact()
        && known_as != name.trim()
    {
        let known_as = one_line(known_as);
        let next = format!("node contact rename {:?} {:?}", known_as, name.trim());
        return Err(Failure::Failed(format!("{} is a contact already, called {known_as}; {next}", found.peer_id)));
    }
    client.name_contact(&found.peer_id, name).await?;
    out.show(&json!({ "added": name.trim(), "peer_id": found.peer_id }), |_| {
        let name = one_line(name.trim());
        format!("{name} is {}; to be sure, compare safety numbers: node contact verify {name:?}", found.peer_id)
    })
}

async fn rename(client: Client, peer: &str, name: &str, out: Output) -> Result<(), Failure> {
    let found = look_up(&client, peer).await?;
    let before = one_line(found.contact()?);
    client.name_contact(&found.peer_id, name).await?;
    out.show(&json!({ "renamed": name.trim(), "peer_id": found.peer_id }), |_| {
        format!("{before} is called {} from now on", one_line(name.trim()))
    })
}

/// Throws the messages of one stranger away, or those of all.
async fn dismiss(client: Client, peer: Option<&str>, out: Output) -> Result<(), Failure> {
    let strangers = match peer {
        Some(peer) => vec![client.find(peer).await?],
        None => {
            let mut people = client.people().await?;
            people.retain(|person| !person.known && !person.blocked && person.messages > 0);
            people.into_iter().map(|person| person.peer_id).collect()
        }
    };
    for peer_id in &strangers {
        client.dismiss(peer_id).await?;
    }
    out.show(&json!({ "dismissed": strangers }), |_| match strangers.as_slice() {
        [] => "there are no messages of strangers".to_owned(),
        [one] => format!("messages of {one} are thrown away"),
        many => format!("messages of {} strangers are thrown away", many.len()),
    })
}

async fn list(client: Client, all: bool, out: Output) -> Result<(), Failure> {
    let (people, none) = match all {
        true => (client.people().await?, "nobody is known yet"),
        false => (client.contacts().await?, "no contacts; add one with: node contact add PEER NAME"),
    };
    out.list(&people, none, direct::person)
}

async fn verify(client: &Client, found: &Found, out: Output) -> Result<(), Failure> {
    let number = client.safety_number(&found.peer_id).await?;
    if out.json {
        return out.object(&number);
    }
    let name = &found.name;
    out.line(&format!("The safety number of you and {name}, {}:\n", found.peer_id))?;
    out.line(&format!("{}\n\n{}\n", direct::safety_number(&number), qr::draw(&number.digits)?))?;
    out.line(&format!(
        "{name} sees the same with `node contact verify` for you. Compare them when you meet, or on a call on which you know the voice.\n\
         If the two differ, one of you has a wrong peer id: trust nothing that comes from it."
    ))
}
