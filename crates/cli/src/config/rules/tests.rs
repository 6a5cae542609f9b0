//! Good rules, bad ones, and what is said of them, word for word.

use std::collections::BTreeSet;

use commutator::rules::{
    ColumnRule, Constant, Contract, Flatten, Mask, Nested, Numbers, OnTypeConflict, Pattern, SchemaPolicy, TableRules,
};
use commutator::{LogicalType, TableName};

use super::super::Settings;
use super::super::keys::{DEFAULTS, Key, Kind, TABLE};
use super::KEYS;

fn parse(destination: &str, rest: &str) -> Result<Settings, Vec<String>> {
    let variable = |name: &str| (name == "SALT").then(|| "a-secret-salt".to_owned());
    let text = format!(
        "[source]\ntype = \"dynamodb\"\ntables = [\"orders\", \"app\"]\n[destination]\ntype = \"{destination}\"\nurl = \"lake\"\n{rest}"
    );
    Settings::parse(&text, "c.toml", &variable).map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

fn problems(rest: &str) -> Vec<String> {
    parse("parquet", rest).expect_err("the file has problems")
}

const GOOD: &str = r#"
[pipeline]
hash_salt = "${SALT}"
[defaults]
exclude = ["tmp_*"]
nested = { flatten = { depth = 2 } }
numbers = "decimal_or_text"
[defaults.columns]
password = { exclude = true }
email = { hash = "sha256" }
[tables.orders]
include = ["*"]
filter = "status = 'open' and total > 9.50"
contract = { types = "freeze" }
on_type_conflict = "variant"
numbers = "float"
keep_item = true
[tables.orders.columns]
email = { mask = { keep_last = 4 }, rename = "mail" }
price = { cast = "decimal(20,4)" }
ratio = { cast = "float64" }
"a.b" = { constant = -7 }
address = { nested = "json" }
"#;

#[test]
fn rules_are_read_key_by_key_over_the_defaults() {
    let settings = parse("parquet", GOOD).unwrap();
    let options = &settings.options;
    assert_eq!(options.hash_salt.as_ref().unwrap().expose(), "a-secret-salt");
    assert!(!format!("{settings:?}").contains("a-secret-salt"));
    let defaults = TableRules::default()
        .exclude("tmp_*")
        .nested(Nested::Flatten(Flatten { depth: 2, separator: "_".to_owned() }))
        .numbers(Numbers::DecimalOrText)
        .column("password", ColumnRule::excluded())
        .column("email", ColumnRule::hashed());
    assert_eq!(options.defaults.rules, defaults);
    assert_eq!(options.table(&TableName::new("app")).rules, defaults);
    let orders = defaults
        .include(Pattern::new("*"))
        .filter("status = 'open' and total > 9.50".parse().unwrap())
        .contract(Contract { columns: SchemaPolicy::Evolve, types: SchemaPolicy::Freeze })
        .on_type_conflict(OnTypeConflict::Variant)
        .numbers(Numbers::Float)
        .keep_item(true)
        .column("email", ColumnRule::masked(Mask::KeepLast(4)).renamed("mail"))
        .column("price", ColumnRule::pinned(LogicalType::Decimal { precision: 20, scale: 4 }))
        .column("ratio", ColumnRule::pinned(LogicalType::Float64))
        .column("a.b", ColumnRule::constant(Constant::Integer(-7)))
        .column("address", ColumnRule::default().nested(Nested::Json));
    assert_eq!(options.table(&TableName::new("orders")).rules, orders);
}

#[test]
fn a_split_table_is_parts_with_options_of_their_own() {
    let text = r#"
[tables.app]
mode = "append"
exclude = ["gsi*"]
[tables.app.split.orders]
filter = "begins_with(pk, 'ORDER#')"
mode = "mirror"
name = "shop_orders"
columns = { total = { cast = "number" } }
[tables.app.split.others]
"#;
    let options = parse("parquet", text).unwrap().options;
    let app = TableName::new("app");
    assert_eq!(options.parts(&app), [TableName::new("app:orders"), TableName::new("app:others")]);
    let parts = &options.splits[&app];
    assert_eq!(parts[0].filter.as_ref().unwrap().to_string(), "begins_with(pk, 'ORDER#')");
    assert_eq!(parts[1].filter, None);
    let (orders, others) = (options.table(&TableName::new("app:orders")), options.table(&TableName::new("app:others")));
    assert_eq!((orders.mode.as_str(), orders.name.as_deref()), ("mirror", Some("shop_orders")));
    assert_eq!((others.mode.as_str(), others.name.as_deref()), ("append", None));
    let rules = TableRules::default().exclude("gsi*");
    assert_eq!(others.rules, rules);
    assert_eq!(orders.rules, rules.column("total", ColumnRule::pinned(LogicalType::Number)));
}

#[test]
fn each_wrong_rule_has_its_message() {
    for (rest, expected) in [
        (
            "[tables.orders]\nnested = \"flaten\"\ncontract = \"freze\"\nnumbers = \"double\"\n",
            vec![
                "c.toml:8: unknown `tables.orders.nested` `flaten`; did you mean `flatten`?",
                "c.toml:9: unknown `tables.orders.contract` `freze`; did you mean `freeze`?",
                "c.toml:10: unknown `tables.orders.numbers` `double`; known: `exact`, `decimal_or_text`, `float`",
            ],
        ),
        (
            "[tables.orders.columns]\nemail = { hsh = \"sha256\" }\nphone = { mask = \"x\" }\n",
            vec![
                "c.toml:8: unknown key `hsh` in [tables.orders.columns.email]; did you mean `hash`?",
                "c.toml:9: `tables.orders.columns.phone.mask` takes a table, not text",
            ],
        ),
        (
            "[tables.orders.columns]\nemail = { hash = \"sha256\" }\n",
            vec![
                "c.toml:8: `tables.orders.columns.email.hash` needs a salt that stays the same: `pipeline.hash_salt`, such as \
                 \"${COMMUTATOR_HASH_SALT}\"",
            ],
        ),
        (
            "[pipeline]\nhash_salt = \"\"\n",
            vec!["c.toml:8: `pipeline.hash_salt` is empty; take some twenty random characters"],
        ),
        (
            "[defaults.columns]\nemail = { hash = \"sha256\" }\n[pipeline]\nhash_salt = \"${NO_SALT}\"\n",
            vec!["c.toml:10: `pipeline.hash_salt` needs the environment variable NO_SALT, which is not set"],
        ),
        (
            "[tables.orders.columns]\nprice = { cast = \"decimal(50,2)\" }\nname = { cast = \"text\", rename = 3 }\n",
            vec![
                "c.toml:8: `tables.orders.columns.price.cast`: `decimal(50,2)` is not a logical type",
                "c.toml:9: `tables.orders.columns.name.rename` takes text, not an integer",
            ],
        ),
        (
            "[tables.app.split]\n\"a b\" = { filter = \"x = 1\" }\nb = {}\nc = {}\n",
            vec![
                "c.toml:8: [tables.app.split.a b]: a part's name has letters, digits, `_`, `-` and `.`",
                "c.toml:10: [tables.app.split.c] has no `filter`, nor has `b`; only one part can take what belongs to no other",
            ],
        ),
    ] {
        assert_eq!(problems(rest), expected, "{rest}");
    }
}

#[test]
fn a_wrong_filter_says_where() {
    for (rest, key) in [
        ("[defaults]\nfilter = \"status = \"\n", "c.toml:8: `defaults.filter`: "),
        ("[tables.app.split.a]\nfilter = \"status = \"\n", "c.toml:8: `tables.app.split.a.filter`: "),
    ] {
        let [problem] = &problems(rest)[..] else { panic!("{:?}", problems(rest)) };
        assert!(problem.starts_with(key) && problem.contains("at: 10"), "{problem}");
    }
}

#[test]
fn native_types_are_refused_where_the_destination_has_none() {
    let rest = "host = \"h\"\n[defaults]\nnested = \"native\"\n[tables.orders]\ncolumns.a.nested = \"native\"\n";
    assert_eq!(
        parse("postgres", rest).unwrap_err(),
        [
            "c.toml:9: `defaults.nested` is `native`, which the destination does not offer; take `json` or `flatten`",
            "c.toml:11: `tables.orders.columns.a.nested` is `native`, which the destination does not offer; take `json` or `flatten`",
        ]
    );
}

#[test]
fn native_types_are_said_of_all_tables_of_one_and_of_one_attribute() {
    let rest = "[defaults]\nnested = \"native\"\n[tables.orders]\nnested = \"json\"\ncolumns.a.nested = \"native\"\n";
    let settings = parse("parquet", rest).unwrap();
    let options = &settings.options;
    assert_eq!(options.defaults.rules.nested, Nested::Native);
    let orders = &options.tables[&TableName::new("orders")].rules;
    assert_eq!((&orders.nested, &orders.columns["a"].nested), (&Nested::Json, &Some(Nested::Native)));
}

/// Every word that a key takes is one that the rules know, and the other way round.
#[test]
fn the_known_words_and_keys_are_those_of_the_rules() {
    let serialized = serde_json::to_value(TableRules::default().filter("a = 1".parse().unwrap())).unwrap();
    let fields: BTreeSet<&str> = serialized.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(fields, BTreeSet::from(KEYS));
    assert!(KEYS.iter().all(|key| DEFAULTS.iter().chain(TABLE).any(|known| known.name == *key)));
    let mut words = 0;
    let mut look = |key: &Key| {
        if let Kind::Word(known) | Kind::WordOr(known, _) = key.kind {
            for word in known {
                let rules = serde_json::json!({ key.name: word });
                serde_json::from_value::<TableRules>(rules).unwrap_or_else(|error| panic!("{}: {error}", key.name));
                words += 1;
            }
            let refused =
                serde_json::from_value::<TableRules>(serde_json::json!({ key.name: "?" })).unwrap_err().to_string();
            let named = refused.split_once("expected").unwrap().1.matches(['`', '"']).count() / 2;
            assert_eq!(named, known.len(), "{refused}");
        }
    };
    DEFAULTS.iter().for_each(&mut look);
    assert_eq!(words, 14);
}
