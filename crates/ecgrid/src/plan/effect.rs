//! What a write makes of a user: whether it shows, and the call that takes it back.
//!
//! The vendor shows all that Update User, Set Role and Set Network Mailbox set, and nothing of what Update Config sets:
//! that one nobody can recognise or take back.

use interlingua_core::{Call, Reply, Result, Status, Text};
use serde::{Deserialize, de::DeserializeOwned};

use super::write;
use crate::{
    Ecgrid,
    codes::{self, NetworkMailbox},
    read,
    routes::Op,
    wire::{self, SetNetworkMailbox, SetRole, UpdateUser},
};

pub(crate) fn accepted(ecgrid: &Ecgrid, call: &Call, reply: &Reply) -> Result<()> {
    // What is no answer to such a call says nothing of it, whatever its status.
    match op(ecgrid, call) {
        Some(Op::UpdateConfig | Op::SendSms | Op::TerminateUser) => read::done(reply),
        Some(Op::UpdateUser | Op::SetRole | Op::SetNetworkMailbox) => {
            let asked = serde_json::from_slice(&call.body).ok().map(|Whom { user_id }| user_id);
            read::user(ecgrid, asked, reply).map(drop)
        }
        Some(Op::CreateUser) => read::user(ecgrid, None, reply).map(drop),
        _ => read::accepted(reply),
    }
}

pub(crate) fn shows(ecgrid: &Ecgrid, call: &Call, user: &[Reply]) -> Option<bool> {
    let present = Shown::read(user)?;
    if op(ecgrid, call)? == Op::TerminateUser {
        return Some(codes::status_from_word(present.status.as_deref()?)? == Status::Terminated);
    }
    let written = Written::by(ecgrid, call)?;
    let mut after = present.clone();
    after.take(&written);
    Some(after == present)
}

pub(crate) fn undo(ecgrid: &Ecgrid, writes: &[Call], before: &[Reply]) -> Vec<Option<Call>> {
    let Some(mut present) = Shown::read(before) else { return vec![None; writes.len()] };
    let back = writes.iter().map(|call| {
        let written = Written::by(ecgrid, call)?;
        let back = present.back_from(&written);
        present.take(&written);
        back
    });
    back.collect()
}

fn op(ecgrid: &Ecgrid, call: &Call) -> Option<Op> {
    let path = call.target.split('?').next().unwrap_or_default();
    let (operation, _) = ecgrid.dialect.find(&call.method, path).ok()?;
    Op::from_name(operation.name)
}

/// Whom a write is about.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Whom {
    user_id: i64,
}

/// A write whose effect shows.
enum Written {
    Profile(UpdateUser),
    Role(SetRole),
    Place(SetNetworkMailbox),
}

impl Written {
    fn by(ecgrid: &Ecgrid, call: &Call) -> Option<Self> {
        fn body<T: DeserializeOwned>(call: &Call) -> Option<T> {
            serde_json::from_slice(&call.body).ok()
        }
        match op(ecgrid, call)? {
            Op::UpdateUser => body(call).map(Self::Profile),
            Op::SetRole => body(call).map(Self::Role),
            Op::SetNetworkMailbox => body(call).map(Self::Place),
            _ => None,
        }
    }
}

/// What the vendor shows of all that these calls set.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    email: Option<Text>,
    first_name: Option<Text>,
    last_name: Option<Text>,
    #[serde(default, deserialize_with = "wire::optional_integer")]
    network_id: Option<i64>,
    #[serde(default, deserialize_with = "wire::optional_integer")]
    mailbox_id: Option<i64>,
    auth_level: Option<Text>,
    status: Option<Text>,
}

impl Shown {
    fn read(user: &[Reply]) -> Option<Self> {
        let reply = user.last()?;
        let mut shown: Self = read::data(reply).ok()?.data;
        shown.move_to(None, None);
        Some(shown)
    }

    fn place(&self) -> Option<NetworkMailbox> {
        wire::scope(self.network_id, self.mailbox_id)
    }

    /// Becomes what a write makes of it.
    fn take(&mut self, written: &Written) {
        match written {
            Written::Profile(UpdateUser { email, first_name, last_name, .. }) => {
                for (shown, set) in
                    [(&mut self.email, email), (&mut self.first_name, first_name), (&mut self.last_name, last_name)]
                {
                    *shown = set.clone().or(shown.take());
                }
            }
            Written::Role(SetRole { auth_level, network_id, mailbox_id, user_id: _ }) => {
                self.auth_level = auth_level.clone().or(self.auth_level.take());
                self.move_to(*network_id, *mailbox_id);
            }
            Written::Place(SetNetworkMailbox { network_id, mailbox_id, user_id: _ }) => {
                self.move_to(*network_id, *mailbox_id);
            }
        }
    }

    /// A mailbox that is not named stays, but not in another network.
    fn move_to(&mut self, network: Option<i64>, mailbox: Option<i64>) {
        let stays = network.is_none() || network == self.network_id;
        self.network_id = network.or(self.network_id);
        self.mailbox_id = mailbox.or(self.mailbox_id.filter(|_| stays));
        self.mailbox_id = self.mailbox_id.filter(|&id| id > 0);
    }

    /// The call that makes a user who was so before the write so again. The vendor cannot clear a field, so there is
    /// none where one was empty.
    fn back_from(&self, written: &Written) -> Option<Call> {
        match written {
            Written::Profile(set) => {
                let was = |set: &Option<Text>, shown: &Option<Text>| match (set, shown) {
                    (None, _) => Some(None),
                    (Some(_), shown) => shown.clone().filter(|shown| !shown.is_empty()).map(Some),
                };
                let wire = UpdateUser {
                    user_id: set.user_id,
                    email: was(&set.email, &self.email)?,
                    first_name: was(&set.first_name, &self.first_name)?,
                    last_name: was(&set.last_name, &self.last_name)?,
                    ..UpdateUser::default()
                };
                Some(write(Op::UpdateUser, &wire, Vec::new()))
            }
            Written::Role(set) => {
                let place = self.place()?;
                let wire = SetRole {
                    user_id: set.user_id,
                    auth_level: Some(self.auth_level.clone()?),
                    network_id: Some(place.network),
                    mailbox_id: Some(place.mailbox.unwrap_or(0)),
                };
                Some(write(Op::SetRole, &wire, Vec::new()))
            }
            Written::Place(set) => {
                let place = self.place()?;
                let wire = SetNetworkMailbox {
                    user_id: set.user_id,
                    network_id: Some(place.network),
                    mailbox_id: Some(place.mailbox.unwrap_or(0)),
                };
                Some(write(Op::SetNetworkMailbox, &wire, Vec::new()))
            }
        }
    }
}
