//! Patterns of attribute names.

use serde::{Deserialize, Serialize};

/// A pattern of attribute names: `*` stands for any characters, also none, `?` for one, everything else for itself.
///
/// ```
/// use commutator_core::rules::Pattern;
/// assert!(Pattern::new("tmp_*").matches("tmp_1"));
/// assert!(!Pattern::new("tmp_?").matches("tmp_10"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pattern(String);

impl Pattern {
    /// Creates a pattern; every text is one.
    pub fn new(pattern: impl Into<String>) -> Self {
        Self(pattern.into())
    }

    /// Returns the pattern's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether the whole name matches.
    pub fn matches(&self, name: &str) -> bool {
        let pattern: Vec<char> = self.0.chars().collect();
        let name: Vec<char> = name.chars().collect();
        let (mut p, mut n) = (0, 0);
        // After the last `*`, and how much of the name it has taken: on a mismatch it takes one more.
        let mut star = None;
        while n < name.len() {
            match pattern.get(p) {
                Some('*') => {
                    p += 1;
                    star = Some((p, n));
                }
                Some(&c) if c == '?' || c == name[n] => {
                    p += 1;
                    n += 1;
                }
                _ => match star {
                    Some((after, taken)) => {
                        star = Some((after, taken + 1));
                        p = after;
                        n = taken + 1;
                    }
                    None => return false,
                },
            }
        }
        pattern[p..].iter().all(|&c| c == '*')
    }
}

impl From<&str> for Pattern {
    fn from(pattern: &str) -> Self {
        Self::new(pattern)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the pattern means, without its speed.
    fn plainly(pattern: &[char], name: &[char]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some(('*', rest)) => (0..=name.len()).any(|taken| plainly(rest, &name[taken..])),
            Some((&c, rest)) => name.first().is_some_and(|&n| c == '?' || c == n) && plainly(rest, &name[1..]),
        }
    }

    proptest! {
        #[test]
        fn patterns_match_what_they_mean(pattern in "[ab*?ä]{0,6}", name in "[abä]{0,6}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(Pattern::new(&*pattern).matches(&name), plainly(&chars(&pattern), &chars(&name)));
        }
    }
}
