//! Pages of `DynamoDB` JSON of every shape, made up by proptest.

use std::fmt::Write as _;

use base64_simd::STANDARD as BASE64;
use proptest::collection::vec;
use proptest::prelude::*;

/// A `DynamoDB` value.
#[derive(Debug, Clone)]
pub(super) enum Attr {
    S(String),
    N(String),
    B(Vec<u8>),
    Bool(bool),
    Null,
    M(Vec<(String, Self)>),
    L(Vec<Self>),
    Ss(Vec<String>),
    Ns(Vec<String>),
    Bs(Vec<Vec<u8>>),
}

pub(super) fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => "[a-zA-Z0-9 ]{0,40}",
        2 => r#"["\\/\x00-\x1f\x7fé𝄞漢a]{0,20}"#,
        2 => any::<String>(),
        1 => "[a-z]{60,200}[\"\\\\é]?[a-z]{0,80}",
    ]
}

pub(super) fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => any::<i64>().prop_map(|n| n.to_string()),
        4 => (-100_000i64..100_000).prop_map(|n| n.to_string()),
        4 => "-?[0-9]{1,10}\\.[0-9]{1,10}",
        2 => "[+-]?[0-9]{1,38}",
        2 => "-?[0-9]{0,19}\\.[0-9]{1,19}",
        1 => "[+-]?[0-9]{1,20}(\\.[0-9]{0,18})?[eE][+-]?[0-9]{1,2}",
        1 => "-?[1-9]E(-1[0-2][0-9]|\\+?1[01][0-9])",
        1 => Just("0".to_owned()),
        1 => Just("-0.000".to_owned()),
    ]
}

pub(super) fn attr() -> impl Strategy<Value = Attr> {
    let leaf = prop_oneof![
        4 => text().prop_map(Attr::S),
        4 => number().prop_map(Attr::N),
        1 => vec(any::<u8>(), 0..70).prop_map(Attr::B),
        1 => any::<bool>().prop_map(Attr::Bool),
        1 => Just(Attr::Null),
        1 => vec(text(), 0..6).prop_map(Attr::Ss),
        1 => vec(number(), 0..6).prop_map(Attr::Ns),
        1 => vec(vec(any::<u8>(), 0..9), 0..6).prop_map(Attr::Bs),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Attr::L),
            vec((text(), inner), 0..5).prop_map(|mut members| {
                members.sort_by(|a, b| b.0.cmp(&a.0));
                members.dedup_by(|a, b| a.0 == b.0);
                Attr::M(members)
            }),
        ]
    })
}

/// How freely a text is written: each byte decides one question of style, and they are used over and over.
#[derive(Debug, Clone)]
pub(super) struct Style {
    choices: Vec<u8>,
    next: usize,
}

impl Style {
    /// As `DynamoDB` writes.
    pub(super) fn compact() -> Self {
        Self { choices: vec![0], next: 0 }
    }

    pub(super) fn any() -> impl Strategy<Value = Self> {
        vec(any::<u8>(), 1..64).prop_map(|choices| Self { choices, next: 0 })
    }

    pub(super) fn choose(&mut self) -> u8 {
        self.next += 1;
        self.choices[self.next % self.choices.len()]
    }

    fn space(&mut self, out: &mut String) {
        match self.choose() {
            250 => out.push(' '),
            251 => out.push_str("\r\n\t"),
            252..=255 => out.push_str("        "),
            _ => {}
        }
    }

    fn token(&mut self, token: &str, out: &mut String) {
        self.space(out);
        out.push_str(token);
        self.space(out);
    }

    pub(super) fn string(&mut self, text: &str, out: &mut String) {
        out.push('"');
        for c in text.chars() {
            let style = self.choose();
            match c {
                _ if style > 240 => {
                    let mut units = [0; 2];
                    c.encode_utf16(&mut units).iter().for_each(|unit| write!(out, "\\u{unit:04x}").unwrap());
                }
                '/' if style > 128 => out.push_str("\\/"),
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\u{8}' => out.push_str("\\b"),
                '\u{c}' => out.push_str("\\f"),
                '\0'..' ' => write!(out, "\\u{:04X}", u32::from(c)).unwrap(),
                _ => out.push(c),
            }
        }
        out.push('"');
    }

    fn strings<T>(&mut self, all: &[T], text: impl Fn(&T) -> String, out: &mut String) {
        self.list(all, out, |style, element, out| style.string(&text(element), out));
    }

    pub(super) fn list<T>(&mut self, all: &[T], out: &mut String, write: impl Fn(&mut Self, &T, &mut String)) {
        self.token("[", out);
        for (i, element) in all.iter().enumerate() {
            if i > 0 {
                self.token(",", out);
            }
            write(self, element, out);
        }
        self.token("]", out);
    }

    /// Writes an object; where the style says so, members move to another place.
    pub(super) fn object(&mut self, members: &[(String, Attr)], keep_order: bool, out: &mut String) {
        let mut members: Vec<_> = members.iter().collect();
        if !keep_order && !members.is_empty() && self.choose() > 200 {
            let by = usize::from(self.choose()) % members.len();
            members.rotate_left(by);
        }
        self.token("{", out);
        for (i, (name, value)) in members.into_iter().enumerate() {
            if i > 0 {
                self.token(",", out);
            }
            self.string(name, out);
            self.token(":", out);
            self.value(value, out);
        }
        self.token("}", out);
    }

    pub(super) fn value(&mut self, value: &Attr, out: &mut String) {
        let tag = match value {
            Attr::S(_) => "S",
            Attr::N(_) => "N",
            Attr::B(_) => "B",
            Attr::Bool(_) => "BOOL",
            Attr::Null => "NULL",
            Attr::M(_) => "M",
            Attr::L(_) => "L",
            Attr::Ss(_) => "SS",
            Attr::Ns(_) => "NS",
            Attr::Bs(_) => "BS",
        };
        self.token("{", out);
        self.string(tag, out);
        self.token(":", out);
        match value {
            Attr::S(text) | Attr::N(text) => self.string(text, out),
            Attr::B(bytes) => self.string(&BASE64.encode_to_string(bytes), out),
            Attr::Bool(value) => self.token(&value.to_string(), out),
            Attr::Null => self.token("true", out),
            Attr::M(members) => self.object(members, true, out),
            Attr::L(elements) => self.list(elements, out, Self::value),
            Attr::Ss(all) | Attr::Ns(all) => self.strings(all, Clone::clone, out),
            Attr::Bs(all) => self.strings(all, |bytes| BASE64.encode_to_string(bytes), out),
        }
        self.token("}", out);
    }
}

pub(super) type Item = Vec<(String, Attr)>;

/// Items of a table: mostly the same attributes with mostly the same types, each present or not, all with the key `id`.
pub(super) fn items() -> impl Strategy<Value = Vec<Item>> {
    let names = vec(prop_oneof![3 => "[a-z]{1,6}", 1 => "[a-z_]{14,80}", 1 => text()], 0..10);
    (names, 0usize..12).prop_flat_map(|(mut names, rows)| {
        names.retain(|name| name != "id" && !name.starts_with("aws:rep:"));
        names.sort();
        names.dedup();
        let columns: Vec<_> = names.into_iter().map(move |name| (Just(name), column(rows))).collect();
        (columns, vec(text(), rows)).prop_map(|(columns, ids)| {
            let item = |(row, id): (usize, String)| {
                let key = std::iter::once(("id".to_owned(), Attr::S(id)));
                let others = columns.iter().filter_map(|(name, cells)| Some((name.clone(), cells[row].clone()?)));
                key.chain(others).collect()
            };
            ids.into_iter().enumerate().map(item).collect()
        })
    })
}

/// The values of one attribute: mostly of one kind.
fn column(rows: usize) -> impl Strategy<Value = Vec<Option<Attr>>> {
    let cells = |cell: BoxedStrategy<Attr>| vec(proptest::option::weighted(0.8, cell), rows).boxed();
    prop_oneof![
        3 => cells(text().prop_map(Attr::S).boxed()),
        3 => cells(number().prop_map(Attr::N).boxed()),
        2 => cells((-10_000i64..10_000).prop_map(|n| Attr::N(format!("{}.{:02}", n / 100, (n % 100).abs()))).boxed()),
        1 => cells((any::<i32>()).prop_map(|n| Attr::N(n.to_string())).boxed()),
        1 => cells(any::<bool>().prop_map(Attr::Bool).boxed()),
        1 => cells(vec(any::<u8>(), 0..40).prop_map(Attr::B).boxed()),
        3 => cells(attr().boxed()),
    ]
}

/// The body of a scan page.
pub(super) fn page(items: &[Item], style: &mut Style) -> String {
    let mut out = String::new();
    style.token("{", &mut out);
    style.string("Items", &mut out);
    style.token(":", &mut out);
    style.list(items, &mut out, |style, item, out| style.object(item, false, out));
    style.token(",", &mut out);
    style.string("Count", &mut out);
    style.token(":", &mut out);
    out += &items.len().to_string();
    style.token("}", &mut out);
    out
}
