//! Path templates: which operation a path means.

use std::fmt;

use crate::{
    error::{Error, ErrorKind, Problem, Result},
    note::Place,
};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// All but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A path with places for parameters, such as `/users/{user}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Template {
    text: &'static str,
    /// How much of it comes before the first parameter.
    start: usize,
}

impl Template {
    /// A template; a segment in braces is a parameter.
    pub const fn new(template: &'static str) -> Self {
        let mut start = 0;
        while start < template.len() && template.as_bytes()[start] != b'{' {
            start += 1;
        }
        Self { text: template, start }
    }

    /// The parameters of `path`, percent-decoded, when it is of this form.
    ///
    /// An empty segment, one that is not UTF-8, a decoded `/`, and the segments `.` and `..` are no parameters: a path
    /// either is exactly of this form or is not.
    ///
    /// ```
    /// use interlingua_core::Template;
    ///
    /// let template = Template::new("/users/{user}");
    /// assert_eq!(template.matches("/users/wqyODPA"), Some(vec!["wqyODPA".to_owned()]));
    /// assert_eq!(template.matches("/users/wqyODPA/"), None);
    /// ```
    pub fn matches(&self, path: &str) -> Option<Vec<String>> {
        // As good as all templates are told apart by this.
        if !path.starts_with(&self.text[..self.start]) || !self.has_parameter() && path.len() > self.start {
            return None;
        }
        let mut parameters = Vec::new();
        let mut segments = path[self.start..].split('/');
        for expected in self.text[self.start..].split('/') {
            let segment = segments.next()?;
            if expected.starts_with('{') {
                parameters.push(parameter(segment)?);
            } else if expected != segment {
                return None;
            }
        }
        segments.next().is_none().then_some(parameters)
    }

    /// The path with its parameters filled in, percent-encoded.
    ///
    /// Parameters beyond those that the template has are left out.
    pub fn fill(&self, parameters: &[&str]) -> String {
        let mut path = String::with_capacity(self.text.len() + parameters.iter().map(|text| text.len()).sum::<usize>());
        let (mut rest, mut parameters) = (self.text, parameters.iter());
        while let Some((before, after)) = rest.split_once('{') {
            path.push_str(before);
            path.extend(utf8_percent_encode(parameters.next().copied().unwrap_or_default(), RESERVED));
            rest = after.split_once('}').map_or("", |(_, after)| after);
        }
        path + rest
    }

    /// Checks that the parameters are of their form: letters, digits, `_` and `-`, or, where the template says
    /// `{name:integer}`, a positive integer of 32 bits.
    ///
    /// # Errors
    ///
    /// The first that is not: [`ErrorKind::Invalid`] for one that is no integer, [`ErrorKind::NotFound`] for one that
    /// nothing can be called.
    pub fn check(&self, parameters: &[String]) -> Result<()> {
        let names = self.text.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
        for (name, value) in names.zip(parameters) {
            let (kind, name, expected) = match name.split_once(':') {
                Some((name, "integer")) if !is_integer(value) => {
                    (ErrorKind::Invalid, name, "expected a positive integer in the path")
                }
                None if !is_id(value) => {
                    (ErrorKind::NotFound, name, "expected letters, digits, `_` and `-` in the path")
                }
                _ => continue,
            };
            let problem = Problem::new(Place::request(format!("/{name}")), expected);
            return Err(Error::new(kind, "the path is not valid").with_problem(problem));
        }
        Ok(())
    }

    /// Whether the path has a parameter.
    pub fn has_parameter(&self) -> bool {
        self.start < self.text.len()
    }
}

impl fmt::Display for Template {
    /// Without the forms of the parameters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text.replace(":integer}", "}"))
    }
}

fn is_integer(value: &str) -> bool {
    value.bytes().all(|byte| byte.is_ascii_digit()) && value.parse().is_ok_and(|number: i32| number > 0)
}

fn is_id(value: &str) -> bool {
    value.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

fn parameter(segment: &str) -> Option<String> {
    let decoded = percent_decode_str(segment).decode_utf8().ok()?;
    let is_parameter = !matches!(&*decoded, "" | "." | "..") && !decoded.contains('/');
    is_parameter.then(|| decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(template: &'static str, path: &str, expected: Option<&[&str]>) {
        let found = Template::new(template).matches(path);
        assert_eq!(found, expected.map(|all| all.iter().map(|&one| one.to_owned()).collect()));
    }

    #[test]
    fn paths_match_whole_and_exactly() {
        check("/v2/users", "/v2/users", Some(&[]));
        check("/v2/users", "/v2/users/", None);
        check("/v2/users", "/v2/Users", None);
        check("/v2/users/{id}", "/v2/users/1042", Some(&["1042"]));
        check("/v2/users/{id}", "/v2/users/%31042", Some(&["1042"]));
        check("/v2/users/{id}", "/v2/users/", None);
        check("/v2/users/{id}", "/v2/users/..", None);
        check("/v2/users/{id}", "/v2/users/%2e%2e", None);
        check("/v2/users/{id}", "/v2/users/a%2Fb", None);
        check("/v2/users/{id}", "/v2/users/%FF", None);
        check("/v2/users/{id}", "/v2/users/1/2", None);
        check("/v2/users/{id}", "/v2//1", None);
    }

    #[test]
    fn parameters_have_a_form() {
        let wrong = |template, value: &str| Template::new(template).check(&[value.to_owned()]).is_err();
        for id in ["me", "-1", "0", "+1", "2147483648", "1042?x", "1 "] {
            assert!(wrong("/v2/users/{userId:integer}", id), "{id}");
        }
        assert!(!wrong("/v2/users/{userId:integer}", "1042"));
        for id in ["a?b", "a#b", "a b", "\u{e9}", "a\0"] {
            assert!(wrong("/users/{user}", id), "{id}");
        }
        assert!(!wrong("/users/{user}", "wqyODPA"));
    }

    #[test]
    fn what_is_filled_in_stays_one_segment() {
        let template = Template::new("/users/{user}");
        assert_eq!(template.fill(&["wqyODPA"]), "/users/wqyODPA");
        assert_eq!(template.fill(&["a/../b?c"]), "/users/a%2F..%2Fb%3Fc");
    }
}
