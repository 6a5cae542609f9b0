use commutator_core::Column;
use proptest::prelude::*;

use super::*;

/// Any form that values can have.
pub(crate) fn form() -> impl Strategy<Value = Form> {
    let decimal = (1_u8..=38).prop_flat_map(|precision| {
        (Just(precision), 0..=precision).prop_map(|(precision, scale)| LogicalType::Decimal { precision, scale })
    });
    let scalar = prop_oneof![Just(LogicalType::Bool), Just(LogicalType::Int64), Just(LogicalType::Text), decimal];
    let leaf = prop_oneof![1 => Just(Form::Nothing), 4 => scalar.prop_map(Form::Scalar), 1 => Just(Form::Json)];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let member = (inner.clone(), any::<bool>(), any::<bool>())
            .prop_map(|(form, missing, null)| Member { form, missing, null }.told_apart());
        let name = prop_oneof![Just("a"), Just("b"), Just("A"), Just("Straße"), Just("")].prop_map(str::to_owned);
        prop_oneof![
            inner.prop_map(|form| Form::List(Box::new(form))),
            prop::collection::btree_map(name, member, 0..4).prop_map(Form::structure),
        ]
    })
}

fn join(a: &Form, b: &Form) -> Form {
    a.clone().join(b.clone())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn join_is_a_semilattice(a in form(), b in form(), c in form()) {
        prop_assert_eq!(join(&a, &a), a.clone());
        prop_assert_eq!(join(&a, &b), join(&b, &a));
        prop_assert_eq!(join(&join(&a, &b), &c), join(&a, &join(&b, &c)));
        prop_assert_eq!(join(&a, &Form::Nothing), a.clone());
        prop_assert_eq!(join(&a, &Form::Json), Form::Json);
    }

    #[test]
    fn a_form_is_read_as_it_was_written(a in form()) {
        let text = serde_json::to_string(&a).unwrap();
        prop_assert_eq!(serde_json::from_str::<Form>(&text).unwrap(), a);
    }
}

#[test]
fn what_differs_stays_json_as_deep_inside_as_possible() {
    let seen = |texts: &[&str]| {
        let mut form = Form::Nothing;
        for text in texts {
            crate::native::see(&mut form, text);
        }
        form.to_string()
    };
    for (texts, expected) in [
        (&[r#"{"a":1,"b":[1.5,20]}"#] as &[_], "struct(a int64, b list(decimal(20,1)))"),
        (&[r#"{"a":1}"#, r#"{"a":"x","b":true}"#], "struct(a json, b bool)"),
        (&[r#"{"a":{"b":1}}"#, r#"{"a":{"b":[]}}"#], "struct(a struct(b json))"),
        (&[r#"{"a":1}"#, "[1]"], "json"),
        // A member is missing or null, but not both.
        (&[r#"{"a":1}"#, r#"{"a":null}"#], "struct(a int64)"),
        (&[r#"{"a":1}"#, "{}"], "struct(a int64)"),
        (&[r#"{"a":1}"#, r#"{"a":null}"#, "{}"], "struct(a json)"),
        // What Parquet has no type for.
        (&["{}"], "json"),
        (&["[]"], "list(json)"),
        (
            &[r#"{"a":1e99,"b":123456789012345678901234567890123456789,"c":1.0,"d":-0}"#],
            "struct(a json, b json, c json, d json)",
        ),
        (&["null"], "json"),
        (&[r#"{"a":1,"A":2}"#], "json"),
        (&[r#"{"x":{"Ä":1}}"#, r#"{"x":{"ä":2}}"#], "struct(x json)"),
        (&[r#"{"a":1,"a":2}"#], "json"),
        (&[r#"{"":1}"#], "json"),
    ] {
        assert_eq!(seen(texts), expected, "{texts:?}");
    }
}

#[test]
fn forms_are_bounded() {
    let mut form = Form::Nothing;
    let deep = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    crate::native::see(&mut form, &deep(MAX_DEPTH));
    assert!(form.to_string().ends_with(&format!("(int64{}", ")".repeat(MAX_DEPTH))), "{form}");
    let mut form = Form::Nothing;
    crate::native::see(&mut form, &deep(MAX_DEPTH + 1));
    assert!(form.to_string().ends_with(&format!("(json{}", ")".repeat(MAX_DEPTH))), "{form}");
    let map = |members: usize, value: &str| {
        let members: Vec<_> = (0..members).map(|i| format!(r#""m{i}":{value}"#)).collect();
        format!("{{{}}}", members.join(","))
    };
    let mut form = Form::Nothing;
    crate::native::see(&mut form, &map(3, &map(MAX_MEMBERS + 1, "1")));
    assert_eq!(form.to_string(), "struct(m0 json, m1 json, m2 json)");
    let mut form = Form::Nothing;
    crate::native::see(&mut form, &map(6, &map(MAX_MEMBERS, "1")));
    assert!(matches!(form, Form::Struct(_)));
    assert_eq!(form.bounded(), Form::Json);
}

#[test]
fn forms_are_carried_from_schema_to_schema() {
    let native = |name: &str, ty| Column { native: true, ..Column::new(name, ty) };
    let columns = |columns| TableSchema::new(columns).unwrap();
    let forms = Forms::from([("a".to_owned(), Form::List(Box::default())), ("text".to_owned(), Form::Json)]);
    let before = columns(vec![
        native("a", LogicalType::Json),
        native("text", LogicalType::Json),
        Column::new("was_plain", LogicalType::Json),
        Column::new("was_int", LogicalType::Int64),
        Column::new("was_binary", LogicalType::Binary),
        Column::new("was_number", LogicalType::Number),
    ]);
    let names = ["a", "was_plain", "was_int", "was_binary", "was_number", "new"];
    let mut after: Vec<_> = names.iter().map(|name| native(name, LogicalType::Json)).collect();
    after.extend([native("text", LogicalType::Text), Column::new("plain", LogicalType::Json)]);
    let after = columns(after);
    let text = Form::Scalar(LogicalType::Text);
    let expected = [
        ("a", Form::List(Box::default())),
        ("was_plain", Form::Json),
        ("was_int", Form::Scalar(LogicalType::Int64)),
        ("was_binary", text),
        ("was_number", Form::Json),
        ("new", Form::Nothing),
    ];
    let expected: Forms = expected.into_iter().map(|(name, form)| (name.to_owned(), form)).collect();
    assert_eq!(carried(Some((&before, &forms)), &after), expected);
    assert!(carried(None, &after).values().all(|form| *form == Form::Nothing));
}
