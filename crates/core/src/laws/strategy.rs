//! What to feed the laws: proptest strategies, parametrised by what is the dialect's own.

use http::{Method, StatusCode};
use proptest::{collection::vec, option, prelude::*, sample::Index};
use serde_json::{Map, Value};

use super::tree;
use crate::{
    adapter::Dialect,
    message::{Reply, Request},
    patch::{GrantChange, NamePatch, Patch, Target, UserPatch},
    user::{Email, Grant, Known, Name, Preferences, Role, Scope, Status, Text, Timestamp, User, UserId},
};

/// How a dialect's ids and words look.
#[derive(Clone, Debug)]
pub struct Vocabulary {
    /// Ids of users.
    pub users: BoxedStrategy<UserId>,
    /// Scopes.
    pub scopes: BoxedStrategy<Scope>,
    /// Ids of grants, where the dialect has them.
    pub grant_ids: BoxedStrategy<Option<Text>>,
    /// Preferences by canonical key.
    pub preferences: BoxedStrategy<(Text, Value)>,
}

const ROLES: [Role; 6] = [Role::None, Role::Restricted, Role::Member, Role::Support, Role::Administrator, Role::System];
const STATUSES: [Status; 5] =
    [Status::Development, Status::Active, Status::Preproduction, Status::Suspended, Status::Terminated];

// === Texts ===

/// Texts: mostly names, sometimes empty or with anything in them.
pub fn texts() -> impl Strategy<Value = Text> {
    prop_oneof![
        6 => "[A-Za-z]{1,8}( [A-Za-z]{1,8}){0,2}",
        1 => Just(String::new()),
        1 => "[ /~\"\\\\a0]{1,6}",
        1 => "\\PC{0,12}",
        1 => any::<[char; 3]>().prop_map(|chars| chars.iter().collect()),
    ]
    .prop_map(Text::from)
}

/// Addresses of people who do not exist.
pub fn emails() -> impl Strategy<Value = Email> {
    "[a-z]{1,8}(\\.[a-z]{1,8})?(\\+[a-z]{1,4})?@(example\\.com|textus\\.example)"
        .prop_map(|address| Email::parse(&address).expect("the pattern makes addresses"))
}

/// Times with and without fractions.
pub fn times() -> impl Strategy<Value = Timestamp> {
    "20[0-2][0-9]-0[1-9]-[12][0-8]T[01][0-9]:[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,6})?Z"
        .prop_map(|time| Timestamp::parse(&time).expect("the pattern makes times"))
}

fn known<T: Clone + std::fmt::Debug + 'static>(values: impl Strategy<Value = T> + 'static) -> BoxedStrategy<Known<T>> {
    prop_oneof![1 => Just(Known::Unknown), 1 => Just(Known::Null), 4 => values.prop_map(Known::Value)].boxed()
}

/// Unknown or a value, for fields that no dialect ever says "none" of.
fn unknown_or<T: Clone + std::fmt::Debug + 'static>(
    values: impl Strategy<Value = T> + 'static,
) -> BoxedStrategy<Known<T>> {
    option::weighted(0.8, values).prop_map(|value| value.map_or(Known::Unknown, Known::Value)).boxed()
}

// === Users ===

/// Users with every mixture of what is known.
pub fn users(words: &Vocabulary) -> impl Strategy<Value = User> + use<> {
    let texts = (known(texts()), known(emails().prop_map(Email::into_text)), names(), known(texts()));
    let flags = (unknown_or(any::<bool>()), unknown_or(any::<bool>()));
    let facts = (unknown_or(proptest::sample::select(&STATUSES[..])), unknown_or(times()), flags);
    let grants = (option::weighted(0.9, grants(words)), option::of(words.scopes.clone()), any::<Option<Index>>());
    (words.users.clone(), texts, facts, grants, preferences(words)).prop_map(
        |(id, (login, email, name, avatar), (status, created, flags), (grants, elsewhere, index), preferences)| User {
            id,
            login,
            email,
            name,
            status,
            primary_scope: primary(grants.as_deref(), index, elsewhere),
            grants,
            preferences,
            created,
            avatar,
            automated: flags.0,
            has_password: flags.1,
        },
    )
}

fn names() -> impl Strategy<Value = Name> {
    (known(texts()), known(texts()), known(texts())).prop_map(|(display, given, family)| Name {
        display,
        given,
        family,
    })
}

/// Roles in different scopes.
pub fn grants(words: &Vocabulary) -> impl Strategy<Value = Vec<Grant>> + use<> {
    let grant = (proptest::sample::select(&ROLES[..]), words.scopes.clone(), words.grant_ids.clone())
        .prop_map(|(role, scope, id)| Grant { role, scope, id });
    vec(grant, 0..4).prop_map(|mut grants| {
        grants.sort_by(|one, other| one.scope.id.cmp(&other.scope.id));
        grants.dedup_by(|one, other| one.scope.id == other.scope.id);
        grants
    })
}

fn primary(grants: Option<&[Grant]>, index: Option<Index>, elsewhere: Option<Scope>) -> Option<Scope> {
    match (grants, index) {
        (Some(grants), Some(index)) if !grants.is_empty() => Some(index.get(grants).scope.clone()),
        _ => elsewhere,
    }
}

fn preferences(words: &Vocabulary) -> impl Strategy<Value = Preferences> + use<> {
    (vec(words.preferences.clone(), 0..4), any::<bool>())
        .prop_map(|(entries, complete)| Preferences { entries: entries.into_iter().collect(), complete })
}

// === Changes ===

/// Changes of every kind: a name is set whole or in halves, never both.
pub fn patches(words: &Vocabulary) -> impl Strategy<Value = UserPatch> + use<> {
    let preferences = vec((words.preferences.clone(), 0..5u8), 0..4).prop_map(|entries| {
        let entries = entries.into_iter();
        entries.map(|((key, value), kind)| (key, if kind == 0 { Patch::Clear } else { Patch::Set(value) })).collect()
    });
    (patch(emails()), name_patches(), grant_changes(words), preferences)
        .prop_map(|(email, name, grants, preferences)| UserPatch { email, name, grants, preferences })
}

fn patch<T: Clone + std::fmt::Debug + 'static>(values: impl Strategy<Value = T> + 'static) -> BoxedStrategy<Patch<T>> {
    prop_oneof![4 => Just(Patch::Keep), 4 => values.prop_map(Patch::Set), 1 => Just(Patch::Clear)].boxed()
}

fn name_patches() -> impl Strategy<Value = NamePatch> {
    prop_oneof![
        patch(texts()).prop_map(|display| NamePatch { display, ..NamePatch::default() }),
        (patch(texts()), patch(texts())).prop_map(|(given, family)| NamePatch { display: Patch::Keep, given, family }),
    ]
}

fn grant_changes(words: &Vocabulary) -> impl Strategy<Value = GrantChange> + use<> {
    let roles = || proptest::sample::select(&ROLES[..]);
    let scopes = || words.scopes.clone().prop_map(Target::Scope);
    prop_oneof![
        2 => Just(GrantChange::Keep),
        2 => grants(words).prop_map(GrantChange::Replace),
        2 => (roles(), scopes()).prop_map(|(role, target)| GrantChange::Upsert(role, target)),
        1 => scopes().prop_map(GrantChange::Remove),
    ]
}

// === JSON and bytes ===

/// Any JSON value.
pub fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        texts().prop_map(|text| Value::String(text.into_string())),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::Array),
            vec((texts(), inner), 0..4).prop_map(|members| {
                let members = members.into_iter().map(|(name, value)| (name.into_string(), value));
                Value::Object(members.collect::<Map<_, _>>())
            }),
        ]
    })
}

/// One of the documents with a few members taken out, added, or set to null: what a vendor may do to its documents.
pub fn edited(documents: Vec<Value>) -> impl Strategy<Value = Value> {
    changed(documents, prop_oneof![Just(Edit::Remove), Just(Edit::Null), json().prop_map(Edit::Add)].boxed())
}

/// One of the documents with a few values changed into anything.
pub fn mutated(documents: Vec<Value>) -> impl Strategy<Value = Value> {
    let edits = prop_oneof![
        Just(Edit::Remove),
        Just(Edit::Null),
        Just(Edit::Repeat),
        json().prop_map(Edit::Add),
        json().prop_map(Edit::Replace),
        texts().prop_map(|text| Edit::Replace(Value::String(text.into_string()))),
        any::<i32>().prop_map(|number| Edit::Replace(Value::from(number))),
    ];
    changed(documents, edits.boxed())
}

#[derive(Clone, Debug)]
enum Edit {
    Remove,
    Null,
    Repeat,
    Add(Value),
    Replace(Value),
}

fn changed(documents: Vec<Value>, edits: BoxedStrategy<Edit>) -> impl Strategy<Value = Value> {
    (proptest::sample::select(documents), vec((any::<Index>(), edits), 0..4)).prop_map(|(mut document, edits)| {
        for (index, edit) in edits {
            let pointers = tree::pointers(&document);
            apply(&mut document, &pointers[index.index(pointers.len())], edit);
        }
        document
    })
}

fn apply(document: &mut Value, pointer: &str, edit: Edit) {
    let present = document.pointer_mut(pointer).expect("the pointer is one of the document's");
    match edit {
        Edit::Remove => drop(tree::remove(document, pointer)),
        Edit::Null => *present = Value::Null,
        Edit::Replace(value) => *present = value,
        Edit::Repeat => {
            if let Value::Array(items) = present {
                items.extend(items.first().cloned());
            }
        }
        Edit::Add(value) => {
            if let Value::Object(members) = present {
                members.insert("somethingNew".into(), value);
            }
        }
    }
}

/// Bytes: of documents near these, cut off documents, and anything.
pub fn bytes(documents: Vec<Value>) -> impl Strategy<Value = Vec<u8>> {
    let near = mutated(documents).prop_map(|document| document.to_string().into_bytes()).boxed();
    let cut = (near.clone(), any::<Index>()).prop_map(|(mut bytes, at)| {
        bytes.truncate(at.index(bytes.len() + 1));
        bytes
    });
    let any_json = json().prop_map(|document| document.to_string().into_bytes());
    prop_oneof![4 => near, 1 => cut, 1 => any_json, 1 => vec(any::<u8>(), 0..32)]
}

// === Messages ===

/// Requests: to the dialect's paths and near them, with bodies near these documents.
pub fn requests(dialect: &Dialect, documents: Vec<Value>) -> impl Strategy<Value = Request> + use<> {
    let operations: Vec<_> =
        dialect.operations.iter().map(|operation| (operation.method.clone(), operation.path)).collect();
    let known = (proptest::sample::select(operations), "[A-Za-z0-9_-]{1,8}|[0-9]{1,10}|\\PC{0,6}|%[0-9A-F]{2}")
        .prop_map(|((method, path), parameter)| (method, path.fill(&[&parameter])));
    let methods = [Method::GET, Method::PUT, Method::POST, Method::PATCH, Method::DELETE];
    let odd = (proptest::sample::select(methods.to_vec()), "(/[a-z0-9%]{0,6}){0,4}|\\PC{0,12}");
    (prop_oneof![3 => known, 1 => odd], bytes(documents))
        .prop_map(|((method, path), body)| Request::new(method, path, body))
}

/// Replies of every status, with bodies near these documents.
pub fn replies(documents: Vec<Value>) -> impl Strategy<Value = Vec<Reply>> {
    let status = prop_oneof![4 => Just(200u16), 1 => 201u16..=204, 3 => 300u16..600];
    let reply = (status, bytes(documents)).prop_map(|(status, body)| {
        Reply::new(StatusCode::from_u16(status).expect("the range is one of statuses"), body)
    });
    vec(reply, 0..6)
}
