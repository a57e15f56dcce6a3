//! The query of the users' list: as a client writes it, as our IRIs hold it, and as a call does.
//!
//! `GET /users{?q,accounts[]}` (vendor page: "List users"). The vendor documents no parameter for pages: `cursor` is our
//! own, and whoever made a cursor knows what it says.

use std::borrow::Cow;

use interlingua_core::{Cursor, Error, PageRequest, Place, Problem, Result, Scope, Text, UserQuery};
use percent_encoding::percent_decode_str;

use crate::codes;

/// What a client's query asks for. A problem names a parameter as if the query were a document: `/q`,
/// `/accounts/0` for the first `accounts[]`, `/cursor`.
pub(crate) fn read(query: &str) -> Result<(UserQuery, PageRequest)> {
    let (mut text, mut cursor, mut scopes) = (None, None, Vec::new());
    let (mut accounts, mut problems) = (0, Vec::new());
    let is_utf8 = percent_decode_str(query).decode_utf8().is_ok();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "q" => {
                // What is no UTF-8 would be searched for as something else, and found nowhere.
                if !is_utf8 && value.contains(char::REPLACEMENT_CHARACTER) {
                    problems.push(Problem::new(Place::request("/q"), "expected UTF-8"));
                }
                once(&mut text, value, "/q", &mut problems);
            }
            "cursor" => once(&mut cursor, value, "/cursor", &mut problems),
            "accounts[]" => {
                match codes::account_from_slug_or_iri(&value) {
                    Some(account) => scopes.push(Scope::new(account)),
                    None => problems.push(Problem::new(
                        Place::request(format!("/accounts/{accounts}")),
                        "expected an account, as my_account or /accounts/my_account",
                    )),
                }
                accounts += 1;
            }
            // Told by whoever validates the request.
            _ => {}
        }
    }
    if cursor.as_ref().is_some_and(Text::is_empty) {
        problems.push(Problem::new(Place::request("/cursor"), "expected the cursor of a page"));
    }
    if !problems.is_empty() {
        return Err(Error::invalid(problems));
    }
    let query = UserQuery { text: text.filter(|text| !text.is_empty()), scopes, ..UserQuery::default() };
    Ok((query, PageRequest::At(cursor.map(Cursor::new))))
}

fn once(place: &mut Option<Text>, value: Cow<'_, str>, pointer: &'static str, problems: &mut Vec<Problem>) {
    if place.replace(value.into()).is_some() {
        problems.push(Problem::new(Place::request(pointer), "expected at most once"));
    }
}

/// The parameters of the list.
pub(crate) const PARAMETERS: &[&str] = &["q", "accounts[]", "cursor"];

/// The IRI of a page: relative to the face's root, as all IRIs are, in the vendor's spelling.
pub(crate) fn iri(query: &UserQuery, cursor: Option<&Cursor>) -> String {
    let text = query.text.as_deref().map(|text| ("q", encoded(text)));
    let accounts = query.scopes.iter().map(|scope| ("accounts[]", codes::account_iri(&scope.id).into_string()));
    let cursor = cursor.map(|cursor| ("cursor", encoded(cursor.as_str())));
    let parameters: Vec<_> =
        text.into_iter().chain(accounts).chain(cursor).map(|(name, value)| format!("{name}={value}")).collect();
    if parameters.is_empty() { USERS.to_owned() } else { format!("{USERS}?{}", parameters.join("&")) }
}

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// The query of a call for the first page.
pub(crate) fn of_a_call(text: Option<&str>, accounts: &[Text]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(text.map(|text| ("q", text)));
    query.extend_pairs(accounts.iter().map(|account| ("accounts[]", account)));
    query.finish()
}

/// The query of a link to a page of users, which is all that is ever taken from one: a reply does not decide where the
/// next call, with its credential, goes.
pub(crate) fn of_a_link(link: &str) -> Option<Cursor> {
    let (address, query) = link.split_once('?')?;
    let path = match address.split_once("//") {
        Some((scheme, rest)) if scheme.is_empty() || scheme.ends_with(':') => &rest[rest.find('/')?..],
        _ => address,
    };
    (path == USERS && is_query(query)).then(|| Cursor::new(query))
}

/// Whether a text is a query that can be sent: of RFC 3986's characters, and the brackets that the vendor's own
/// parameters have; of a length that no server refuses.
pub(crate) fn is_query(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:@/?[]".contains(&byte);
    (1..=MOST_BYTES).contains(&text.len()) && text.bytes().all(legal)
}

const USERS: &str = "/users";
const MOST_BYTES: usize = 2000;

#[cfg(test)]
mod tests {
    use interlingua_core::ScopeId;

    use super::*;

    #[test]
    fn an_iri_is_read_as_what_it_was_written_from() {
        #[track_caller]
        fn check(text: Option<&str>, accounts: &[&str], cursor: Option<&str>, expected: &str) {
            let scopes = accounts.iter().map(|slug| Scope::new(ScopeId::new(*slug))).collect();
            let query = UserQuery { text: text.map(Text::from), scopes, ..UserQuery::default() };
            let cursor = cursor.map(Cursor::new);
            let iri = iri(&query, cursor.as_ref());
            assert_eq!(iri, expected);
            let read = read(iri.strip_prefix("/users").unwrap().trim_start_matches('?')).unwrap();
            assert_eq!(read, (query, PageRequest::At(cursor)));
        }
        check(None, &[], None, "/users");
        check(Some("chuck"), &["my_account"], None, "/users?q=chuck&accounts[]=/accounts/my_account");
        check(Some("a&b=c #é+"), &[], Some("%=&"), "/users?q=a%26b%3Dc+%23%C3%A9%2B&cursor=%25%3D%26");
        check(None, &["a", "b"], Some("x"), "/users?accounts[]=/accounts/a&accounts[]=/accounts/b&cursor=x");
    }

    #[test]
    fn of_a_link_only_the_query_is_taken() {
        #[track_caller]
        fn check(link: &str, expected: Option<&str>) {
            assert_eq!(of_a_link(link).as_ref().map(Cursor::as_str), expected, "{link}");
        }
        check("/users?cursor=2", Some("cursor=2"));
        check("/users?q=a&accounts[]=/accounts/b&cursor=2?3", Some("q=a&accounts[]=/accounts/b&cursor=2?3"));
        check("https://elsewhere.example/users?cursor=2", Some("cursor=2"));
        check("//elsewhere.example/users?cursor=2", Some("cursor=2"));
        for link in [
            "",
            "/users",
            "/users?",
            "/users#?cursor=2",
            "/users?cursor=2#top",
            "/accounts?cursor=2",
            "/users/../accounts?cursor=2",
            "/x//users?cursor=2",
            "https://elsewhere.example?cursor=2",
            "https://elsewhere.example/v2/users?cursor=2",
            "//users?cursor=2",
            "?cursor=2",
            "/users?cursor=a b",
            "/users?cursor=a\r\nx-admin:1",
            "/users?cursor=é",
        ] {
            check(link, None);
        }
        check(&format!("/users?{}", "a".repeat(2000)), Some(&"a".repeat(2000)));
        check(&format!("/users?{}", "a".repeat(2001)), None);
    }
}
