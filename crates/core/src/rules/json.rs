//! JSON text taken apart without touching its values, so that every digit stays as it is.

use std::borrow::Cow;

/// Returns the members of a JSON object as name and text, in their order; `None` if the text is no object.
pub fn members(text: &str) -> Option<Vec<(Cow<'_, str>, &str)>> {
    let mut scanner = Scanner { text, at: 0 };
    scanner.take(b'{')?;
    let mut found = Vec::new();
    if scanner.take(b'}').is_some() {
        return Some(found);
    }
    loop {
        let name = string(scanner.value()?)?;
        scanner.take(b':')?;
        found.push((name, scanner.value()?));
        if scanner.take(b',').is_none() {
            return scanner.take(b'}').map(|()| found);
        }
    }
}

/// Returns the elements of a JSON array as text, in their order; `None` if the text is no array.
pub fn elements(text: &str) -> Option<Vec<&str>> {
    let mut scanner = Scanner { text, at: 0 };
    scanner.take(b'[')?;
    let mut found = Vec::new();
    if scanner.take(b']').is_some() {
        return Some(found);
    }
    loop {
        found.push(scanner.value()?);
        if scanner.take(b',').is_none() {
            return scanner.take(b']').map(|()| found);
        }
    }
}

/// Returns the value of a JSON string literal; `None` if the text is none.
pub fn string(literal: &str) -> Option<Cow<'_, str>> {
    let inner = literal.strip_prefix('"')?.strip_suffix('"')?;
    if !inner.contains('\\') {
        return Some(Cow::Borrowed(inner));
    }
    serde_json::from_str::<String>(literal).ok().map(Cow::Owned)
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    fn peek(&mut self) -> Option<u8> {
        while self.text.as_bytes().get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// Passes over one value and returns its text.
    fn value(&mut self) -> Option<&'a str> {
        let bytes = self.text.as_bytes();
        let mut depth = 0_usize;
        self.peek()?;
        let start = self.at;
        loop {
            match bytes.get(self.at)? {
                b'"' => self.pass_string()?,
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1)?;
                    self.at += 1;
                }
                _ if depth == 0 => {
                    let scalar = bytes[self.at..].iter().position(|b| b",]} \t\r\n:".contains(b));
                    self.at = scalar.map_or(bytes.len(), |length| self.at + length);
                    if self.at == start {
                        return None;
                    }
                }
                _ => self.at += 1,
            }
            if depth == 0 {
                return Some(&self.text[start..self.at]);
            }
        }
    }

    fn pass_string(&mut self) -> Option<()> {
        self.at += 1;
        loop {
            match self.text.as_bytes().get(self.at)? {
                b'"' => {
                    self.at += 1;
                    return Some(());
                }
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_stay_as_they_are() {
        let text = r#"{"a":1.500,"b\"":{"c":[1,{"d":"}"}]}, "e" : "x,\\" ,"f":[]}"#;
        let expected = [("a", "1.500"), ("b\"", r#"{"c":[1,{"d":"}"}]}"#), ("e", r#""x,\\""#), ("f", "[]")];
        let found = members(text).unwrap();
        assert_eq!(found.iter().map(|(name, text)| (&**name, *text)).collect::<Vec<_>>(), expected);
        assert_eq!(elements(r#"[1, "a", [2]]"#).unwrap(), ["1", r#""a""#, "[2]"]);
        assert!(members("{}").unwrap().is_empty() && elements("[]").unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn any_text_is_passed_over_without_a_panic(text in r#"[{}\[\]",:\\ a1ä]{0,20}"#) {
            let _ = (members(&text), elements(&text), string(&text));
        }
    }
}
