//! The starting data of both vendors, and made-up people to fill them with.
//!
//! Everybody here is invented; addresses end in `example.com` or `textus.example`.

use crate::ecgrid::{AuthLevel, Network, Status, User as EcgridUser};
use crate::sequence::{mix, opaque_id};
use crate::textus::{Account, Membership, Role, User as TextusUser};

/// The API key that a fresh [`Ecgrid`](crate::Ecgrid) accepts; it acts as user 1044.
pub const ECGRID_KEY: &str = "sandbox-ecgrid-upstream-key";
/// The bearer token that a fresh [`Textus`](crate::Textus) accepts for its admin, user [`TEXTUS_ADMIN`].
pub const TEXTUS_TOKEN: &str = "sandbox-textus-upstream-token";
/// The bearer token that a fresh [`Textus`](crate::Textus) accepts for user `wqyODPA`, who is no admin.
pub const TEXTUS_SELF_TOKEN: &str = "sandbox-textus-self-token";

/// The user that [`ECGRID_KEY`] acts as: level `Root`, network 1.
pub const ECGRID_SYSOP: i32 = 1044;
/// The user that [`TEXTUS_TOKEN`] acts as: admin of every account.
pub const TEXTUS_ADMIN: &str = "aDm1n00";
/// The user that [`TEXTUS_SELF_TOKEN`] acts as.
pub const TEXTUS_SELF: &str = "wqyODPA";

const FIRST_GENERATED_ECGRID_ID: i32 = 100_000;
/// Generated ids and ids of new objects come from distant parts of one sequence.
const FIRST_GENERATED_TEXTUS_ID: u64 = 1 << 36;
const FIRST_GENERATED_MEMBERSHIP: u64 = 1 << 37;

const FIRST_NAMES: [&str; 16] = [
    "Ada", "Boris", "Carla", "Dmitri", "Elena", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Keiko", "Liam", "Maya",
    "Noor", "Olga", "Pablo",
];
const LAST_NAMES: [&str; 16] = [
    "Abbott", "Brandt", "Castro", "Dubois", "Eriksen", "Fischer", "Garcia", "Haddad", "Ito", "Jansen", "Kovacs",
    "Larsen", "Moreau", "Novak", "Okafor", "Petrov",
];

/// A made-up person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The login at ECGrid.
    pub login: String,
    /// The address at both vendors.
    pub email: String,
    /// The given name.
    pub first_name: &'static str,
    /// The family name.
    pub last_name: &'static str,
}

/// The n people that a seed stands for; both vendors' `generate` add exactly these, in this order.
pub fn people(n: usize, seed: u64) -> impl Iterator<Item = Person> {
    (0..n).map(move |index| person(index, seed))
}

/// The ECGrid id of the generated person at an index.
pub fn ecgrid_id(index: usize) -> i32 {
    let index = i32::try_from(index).expect("fewer than two thousand million generated users");
    FIRST_GENERATED_ECGRID_ID + index
}

/// The TextUs id of the generated person at an index.
pub fn textus_id(index: usize) -> String {
    opaque_id(FIRST_GENERATED_TEXTUS_ID + index as u64)
}

fn person(index: usize, seed: u64) -> Person {
    let draw = mix(seed ^ mix(index as u64));
    let first_name = FIRST_NAMES[(draw % 16) as usize];
    let last_name = LAST_NAMES[(draw / 16 % 16) as usize];
    let login = format!("{}{}{index}", first_name[..1].to_lowercase(), last_name.to_lowercase());
    let email = format!("{}.{}.{index}@example.com", first_name.to_lowercase(), last_name.to_lowercase());
    Person { login, email, first_name, last_name }
}

// === ECGrid ===

pub(crate) fn ecgrid_networks() -> Vec<Network> {
    vec![
        Network { id: 1, name: "Example Network", mailboxes: vec![101, 102] },
        Network { id: 2, name: "Other Network", mailboxes: vec![201] },
    ]
}

pub(crate) fn ecgrid_users() -> Vec<EcgridUser> {
    vec![
        ecgrid_user(1042, "jsmith", ["John", "Smith", "john.smith@example.com"], (1, 101), AuthLevel::MailboxAdmin),
        ecgrid_user(1043, "mmajor", ["Mary", "Major", "mary.major@example.com"], (1, 102), AuthLevel::MailboxUser),
        ecgrid_user(ECGRID_SYSOP, "sysop", ["Sys", "Operator", "sysop@example.com"], (1, 0), AuthLevel::Root),
        ecgrid_user(2001, "unlinked", ["Una", "Linked", "una.linked@example.com"], (2, 201), AuthLevel::MailboxUser),
    ]
}

pub(crate) fn ecgrid_people(n: usize, seed: u64) -> impl Iterator<Item = EcgridUser> {
    people(n, seed).enumerate().map(|(index, person)| {
        let Person { login, email, first_name, last_name } = person;
        let level = if index % 10 == 0 { AuthLevel::MailboxAdmin } else { AuthLevel::MailboxUser };
        let mailbox = if index % 2 == 0 { 101 } else { 102 };
        ecgrid_user(ecgrid_id(index), &login, [first_name, last_name, &email], (1, mailbox), level)
    })
}

fn ecgrid_user(id: i32, login: &str, person: [&str; 3], scope: (i32, i32), level: AuthLevel) -> EcgridUser {
    let [first_name, last_name, email] = person.map(str::to_owned);
    EcgridUser {
        user_id: id,
        login: login.to_owned(),
        email,
        first_name,
        last_name,
        network_id: scope.0,
        mailbox_id: scope.1,
        auth_level: level,
        status: Status::Active,
        created: "2024-03-15T10:22:00Z".to_owned(),
        config: serde_json::Map::new(),
        key: None,
    }
}

// === TextUs ===

pub(crate) fn textus_accounts() -> Vec<Account> {
    vec![
        Account { slug: "example_network", name: "Example Network", phone: "+13035550101" },
        Account { slug: "my_account", name: "Example Account", phone: "+13035550102" },
        Account { slug: "my_account_child", name: "My Account Child", phone: "+13035550103" },
        Account { slug: "other_account", name: "Other Account", phone: "+13035550104" },
    ]
}

pub(crate) fn textus_users() -> Vec<TextusUser> {
    let user = |account, id: &str| vec![textus_membership(id.to_owned(), Role::User, account)];
    let mut chuck = textus_user(TEXTUS_SELF, "Chuck Norris", "chuck@textus.example", user("my_account", "PWApBE3"));
    chuck.settings.notifications.email = Some(true);
    vec![
        chuck,
        textus_user("PWApBE3", "Eddie Bravo", "eddie@textus.example", user("my_account_child", "AP1yemE")),
        textus_user("zLoneId", "Zoe Lone", "zoe@textus.example", user("other_account", "jVq0Kwz")),
        textus_user(TEXTUS_ADMIN, "Ann Administrator", "ann@textus.example", admin_memberships()),
    ]
}

pub(crate) fn textus_people(n: usize, seed: u64) -> impl Iterator<Item = TextusUser> {
    people(n, seed).enumerate().map(|(index, person)| {
        let role = if index % 10 == 0 { Role::Admin } else { Role::User };
        let id = opaque_id(FIRST_GENERATED_MEMBERSHIP + index as u64);
        let name = format!("{} {}", person.first_name, person.last_name);
        textus_user(&textus_id(index), &name, &person.email, vec![textus_membership(id, role, "example_network")])
    })
}

fn admin_memberships() -> Vec<Membership> {
    let accounts = textus_accounts().into_iter().enumerate();
    accounts.map(|(n, account)| textus_membership(format!("aDmMb0{n}"), Role::Admin, account.slug)).collect()
}

fn textus_membership(id: String, role: Role, account: &str) -> Membership {
    Membership { id, role, account: account.to_owned() }
}

fn textus_user(id: &str, name: &str, email: &str, memberships: Vec<Membership>) -> TextusUser {
    TextusUser {
        id: id.to_owned(),
        name: name.to_owned(),
        email: email.to_owned(),
        discarded: false,
        settings: crate::textus::Settings::default(),
        memberships,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn people_are_the_same_for_the_same_seed_only() {
        let seven: Vec<Person> = people(100, 7).collect();
        assert_eq!(seven, people(100, 7).collect::<Vec<_>>());
        assert_ne!(seven, people(100, 8).collect::<Vec<_>>());
        assert_eq!(seven[..10], people(10, 7).collect::<Vec<_>>());
    }

    #[test]
    fn people_have_logins_and_addresses_of_their_own() {
        let logins: HashSet<String> = people(5000, 1).map(|person| person.login).collect();
        let emails: HashSet<String> = people(5000, 1).map(|person| person.email).collect();
        assert_eq!((logins.len(), emails.len()), (5000, 5000));
        assert!(emails.iter().all(|email| crate::vendor::is_email(email)));
    }

    #[test]
    fn the_same_people_are_at_both_vendors() {
        let pairs = ecgrid_people(50, 3).zip(textus_people(50, 3));
        for (index, (there, here)) in pairs.enumerate() {
            assert_eq!(there.email, here.email);
            assert_eq!(format!("{} {}", there.first_name, there.last_name), here.name);
            assert_eq!((there.user_id, here.id), (ecgrid_id(index), textus_id(index)));
        }
    }
}
