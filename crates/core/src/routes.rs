//! Path templates: which operation a path means.

use std::fmt;

use percent_encoding::percent_decode_str;

/// A path with places for parameters, such as `/users/{user}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Template(&'static str);

impl Template {
    /// A template; a segment in braces is a parameter.
    pub const fn new(template: &'static str) -> Self {
        Self(template)
    }

    /// The parameters of `path`, percent-decoded, when it is of this form.
    ///
    /// An empty segment, one that is not UTF-8, and a decoded `/` are no parameters: a path either is exactly of this
    /// form or is not.
    ///
    /// ```
    /// use interlingua_core::Template;
    ///
    /// let template = Template::new("/users/{user}");
    /// assert_eq!(template.matches("/users/wqyODPA"), Some(vec!["wqyODPA".to_owned()]));
    /// assert_eq!(template.matches("/users/wqyODPA/"), None);
    /// ```
    pub fn matches(&self, path: &str) -> Option<Vec<String>> {
        let mut parameters = Vec::new();
        let mut segments = path.split('/');
        for expected in self.0.split('/') {
            let segment = segments.next()?;
            if expected.starts_with('{') {
                parameters.push(parameter(segment)?);
            } else if expected != segment {
                return None;
            }
        }
        segments.next().is_none().then_some(parameters)
    }

    /// The path with its parameters filled in.
    ///
    /// Parameters beyond those that the template has are left out.
    pub fn fill(&self, parameters: &[&str]) -> String {
        let mut parameters = parameters.iter();
        let segments = self.0.split('/').map(|segment| {
            if segment.starts_with('{') { parameters.next().copied().unwrap_or_default() } else { segment }
        });
        segments.collect::<Vec<_>>().join("/")
    }

    /// Whether the path has a parameter.
    pub fn has_parameter(&self) -> bool {
        self.0.contains('{')
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

fn parameter(segment: &str) -> Option<String> {
    let decoded = percent_decode_str(segment).decode_utf8().ok()?;
    (!decoded.is_empty() && !decoded.contains('/')).then(|| decoded.into_owned())
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
        check("/v2/users/{id}", "/v2/users/a%2Fb", None);
        check("/v2/users/{id}", "/v2/users/%FF", None);
        check("/v2/users/{id}", "/v2/users/1/2", None);
        check("/v2/users/{id}", "/v2//1", None);
    }
}
