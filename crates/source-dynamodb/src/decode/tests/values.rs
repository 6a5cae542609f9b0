//! What each kind of value becomes.

use std::sync::Arc;

use commutator_core::LogicalType::{Binary, Bool, Decimal, Int64, Json, Number, Text};
use commutator_core::schema::{conform, merge};

use super::*;

fn decimal(precision: u8, scale: u8) -> LogicalType {
    Decimal { precision, scale }
}

#[test]
fn values_become_columns_of_their_type() {
    for (text, ty, expected) in [
        (r#"{"S":"text"}"#, Text, "text"),
        (r#"{"S":""}"#, Text, ""),
        (
            r#"{"S":"nul \u0000 tab \t quote \" slash \/ e \u00e9 clef \ud834\udd1e"}"#,
            Text,
            "nul \0 tab \t quote \" slash / e é clef 𝄞",
        ),
        (r#"{"BOOL":true}"#, Bool, "true"),
        (r#"{"BOOL":false}"#, Bool, "false"),
        (r#"{"B":"AQID/w=="}"#, Binary, "010203ff"),
        (r#"{"B":"AQID\/w=="}"#, Binary, "010203ff"),
        (r#"{"B":""}"#, Binary, ""),
        (r#"{"N":"12"}"#, Int64, "12"),
        (r#"{"N":"-9223372036854775808"}"#, Int64, "-9223372036854775808"),
        (r#"{"N":"9223372036854775808"}"#, decimal(19, 0), "9223372036854775808"),
        (r#"{"N":"1.50"}"#, decimal(2, 1), "1.5"),
        (r#"{"N":"-0.00012"}"#, decimal(5, 5), "-0.00012"),
        (r#"{"N":"5.00"}"#, Int64, "5"),
        (r#"{"N":"-0.0"}"#, Int64, "0"),
        (r#"{"N":"1E3"}"#, Int64, "1000"),
        (r#"{"N":".5"}"#, decimal(1, 1), "0.5"),
        (r#"{"N":"5."}"#, Int64, "5"),
        (r#"{"N":"\u0031\u0032"}"#, Int64, "12"),
        (r#"{"N":"1234567890.12345678"}"#, decimal(18, 8), "1234567890.12345678"),
        (r#"{"N":"1234567890.123456789"}"#, decimal(19, 9), "1234567890.123456789"),
        (r#"{"N":"12345678901234567890123456789012345678"}"#, decimal(38, 0), "12345678901234567890123456789012345678"),
        (r#"{"N":"1E-40"}"#, Number, "0.0000000000000000000000000000000000000001"),
        (r#"{"M":{}}"#, Json, "{}"),
        (r#"{"L":[]}"#, Json, "[]"),
        (
            r#"{ "M" : { "b" : { "N" : "1.10" } , "a":{"L":[{"NULL":true},{"BOOL":false},{"B":"AQ=="}]}}}"#,
            Json,
            r#"{"b":1.10,"a":[null,false,"AQ=="]}"#,
        ),
        (
            r#"{"M":{"k\u0041\"":{"S":"\u0041\/\u001F\u000a\ud834\udd1e\"é"}}}"#,
            Json,
            "{\"kA\\\"\":\"A/\\u001f\\n𝄞\\\"é\"}",
        ),
        (r#"{"L":[{"N":"007"},{"N":"1E3"},{"N":"+5"},{"N":"-0"},{"N":".5"}]}"#, Json, "[7,1E3,5,-0,0.5]"),
        (r#"{"SS":["b","a","\u00e9","\u0041","B"]}"#, Json, r#"["A","B","a","b","é"]"#),
        (r#"{"NS":["10","9","-1","-10","1.5","1E1"]}"#, Json, "[-10,-1,1.5,9,10,1E1]"),
        (r#"{"BS":["/w==","AQ==","AA==","AQI="]}"#, Json, r#"["AA==","AQ==","AQI=","/w=="]"#),
        (r#"{"M":{"s":{"SS":["b","a"]},"t":{"NS":["2","1"]}}}"#, Json, r#"{"s":["a","b"],"t":[1,2]}"#),
    ] {
        assert_eq!(value(text).unwrap(), (ty, expected.to_owned()), "{text}");
    }
}

#[test]
fn null_is_null_and_adds_no_column() {
    let changes = page(&[r#"{"id":{"S":"a"},"v":{"NULL":true}}"#, r#"{"id":{"S":"b"}}"#]).unwrap();
    assert_eq!(changes.schema().columns(), keys());
    let null = Some(r#"{"NULL":true}"#);
    let text = Some(r#"{"S":"x"}"#);
    assert_eq!(
        column(&[null, text, None, text, null]).unwrap().1,
        [None, Some("x".into()), None, Some("x".into()), None]
    );
}

#[test]
fn numbers_of_a_page_have_the_join_of_their_types() {
    let number = |text: &str| format!(r#"{{"N":"{text}"}}"#);
    for (texts, ty, expected) in [
        (vec!["1", "2"], Int64, vec!["1", "2"]),
        (vec!["1.5", "2.25", "100.1"], decimal(5, 2), vec!["1.5", "2.25", "100.1"]),
        (vec!["1", "2.25", "7"], decimal(21, 2), vec!["1", "2.25", "7"]),
        (vec!["2.25", "1"], decimal(21, 2), vec!["2.25", "1"]),
        (vec!["2.25", "12345678901234567890"], decimal(22, 2), vec!["2.25", "12345678901234567890"]),
        (vec!["1", "0.12345678901234567890"], decimal(38, 19), vec!["1", "0.1234567890123456789"]),
        (vec!["1", "0.12345678901234567891"], Number, vec!["1", "0.12345678901234567891"]),
        (vec!["0.12345678901234567891", "1", "2.5"], Number, vec!["0.12345678901234567891", "1", "2.5"]),
        (vec!["1E-100", "1", "2.50"], Number, vec![&*format!("0.{}1", "0".repeat(99)), "1", "2.5"]),
        (vec!["1", "1E-100"], Number, vec!["1", &*format!("0.{}1", "0".repeat(99))]),
        (vec!["1.5", "1E100"], Number, vec!["1.5", &*format!("1{}", "0".repeat(100))]),
    ] {
        let texts: Vec<_> = texts.into_iter().map(number).collect();
        let values: Vec<_> = texts.iter().map(|t| Some(t.as_str())).collect();
        let (found, cells) = column(&values).unwrap();
        assert_eq!(found, ty, "{texts:?}");
        assert_eq!(cells, expected.iter().map(|&e| Some(e.to_owned())).collect::<Vec<_>>(), "{texts:?}");
    }
}

#[test]
fn a_column_of_several_types_is_what_conforming_pages_of_one_type_gives() {
    let kinds = [
        r#"{"S":"te\"xt\u0001\/"}"#,
        r#"{"N":"12"}"#,
        r#"{"N":"12.50"}"#,
        r#"{"N":"1E-60"}"#,
        r#"{"BOOL":true}"#,
        r#"{"B":"AQID"}"#,
        r#"{"M":{"a":{"N":"1.0"}}}"#,
        r#"{"SS":["b","a"]}"#,
    ];
    let item = |id: usize, value: &str| format!(r#"{{"id":{{"S":"{id}"}},"v":{value}}}"#);
    for first in kinds {
        for second in kinds {
            let (a, gap, b) = (item(1, first), r#"{"id":{"S":"2"}}"#, item(3, second));
            let together = page(&[&a, gap, &b]).unwrap();
            let apart = [page(&[&a, gap]).unwrap(), page(&[&b]).unwrap()];
            let wanted = Arc::new(merge(apart[0].schema(), apart[1].schema()).unwrap());
            assert_eq!(*together.schema(), wanted, "{first} {second}");
            let mut expected: Vec<_> = wanted.columns().iter().map(|column| (column.clone(), Vec::new())).collect();
            for part in &apart {
                for (all, (_, cells)) in expected.iter_mut().zip(render(&conform(part, &wanted).unwrap())) {
                    all.1.extend(cells);
                }
            }
            assert_eq!(render(&together), expected, "{first} {second}");
        }
    }
}

#[test]
fn long_values_arrive_whole() {
    for length in [1, 7, 8, 15, 16, 17, 31, 63, 64, 65, 1_000, 400_000] {
        let plain = "é".repeat(length / 2) + "x";
        assert_eq!(value(&format!(r#"{{"S":"{plain}"}}"#)).unwrap(), (Text, plain.clone()));
        assert_eq!(value(&format!(r#"{{"L":[{{"S":"{plain}"}}]}}"#)).unwrap(), (Json, format!(r#"["{plain}"]"#)));
        let escaped = "\\n".repeat(length) + "x";
        assert_eq!(value(&format!(r#"{{"S":"{escaped}"}}"#)).unwrap(), (Text, "\n".repeat(length) + "x"));
        let late = "x".repeat(length) + "\\\"";
        assert_eq!(value(&format!(r#"{{"S":"{late}"}}"#)).unwrap(), (Text, "x".repeat(length) + "\""));
        let base64 = "AQID".repeat(length);
        assert_eq!(value(&format!(r#"{{"B":"{base64}"}}"#)).unwrap(), (Binary, "010203".repeat(length)));
    }
}

#[test]
fn documents_may_be_as_deep_as_dynamodb_allows_but_not_much_deeper() {
    let nested = |levels: usize| format!("{}{}{}", r#"{"L":["#.repeat(levels), r#"{"N":"1"}"#, "]}".repeat(levels));
    assert_eq!(value(&nested(32)).unwrap().1, format!("{}1{}", "[".repeat(32), "]".repeat(32)));
    assert_eq!(value(&nested(64)).unwrap().0, Json);
    for levels in [65, 66, 10_000, 100_000] {
        assert!(invalid(value(&nested(levels))).contains("too deeply"));
    }
    let maps = format!("{}{}", r#"{"M":{"a":"#.repeat(100_000), r#"{"N":"1"}"#);
    assert!(invalid(value(&maps)).contains("too deeply"));
}

#[test]
fn what_is_no_value_is_an_error_that_names_the_attribute_and_never_the_value() {
    for text in [
        r#"{"S":"SECRET \ud800"}"#,
        r#"{"S":"SECRET \udc00"}"#,
        r#"{"S":"SECRET \ud800\u0041"}"#,
        r#"{"S":"SECRET \ud800\ud800"}"#,
        r#"{"S":"SECRET \x"}"#,
        r#"{"S":"SECRET \u12g4"}"#,
        "{\"S\":\"SECRET \u{1}\"}",
        "{\"S\":\"SECRET that is longer than a few blocks, in which there are no more than ASCII characters \u{1}\"}",
        r#"{"S":1}"#,
        r#"{"S":"SECRET","N":"1"}"#,
        r#"{"N":1}"#,
        r#"{"N":""}"#,
        r#"{"N":"SECRET"}"#,
        r#"{"N":"1.2.3"}"#,
        r#"{"N":"1E2000"}"#,
        r#"{"N":"1E99999999999"}"#,
        r#"{"N":" 1"}"#,
        r#"{"N":"1 "}"#,
        r#"{"N":"é"}"#,
        r#"{"B":"SECRET!"}"#,
        r#"{"B":"AQI"}"#,
        r#"{"B":"AQID\n"}"#,
        r#"{"BOOL":"true"}"#,
        r#"{"BOOL":1}"#,
        r#"{"NULL":false}"#,
        r#"{"X":"SECRET"}"#,
        r#"{"s":"SECRET"}"#,
        r#"{"S":"SECRET"]"#,
        r#"{"L":[{"S":"SECRET"},]}"#,
        r#"{"L":[{"X":"SECRET"}]}"#,
        r#"{"M":{"a":{"N":"SECRET"}}}"#,
        r#"{"M":{"a":{"B":"SECRET!"}}}"#,
        r#"{"M":{"a":"SECRET"}}"#,
        r#"{"M":{"a":{"BOOL":0}}}"#,
        r#"{"M":{"a":{"NULL":0}}}"#,
        r#"{"SS":[1]}"#,
        r#"{"NS":["SECRET"]}"#,
        r#"{"BS":["SECRET!"]}"#,
        "{}",
        r#"{"M":{"a":{}}}"#,
        r#""SECRET""#,
        "null",
    ] {
        let line = invalid(value(text));
        assert!(!line.contains("SECRET"), "{line}");
        assert!(line.contains("offset: "), "{line}");
        assert!(line.contains("attribute: v"), "{text}: {line}");
    }
}

#[test]
fn a_type_that_is_not_known_is_an_error_at_its_position() {
    let body = r#"{"Items":[{"id":{"S":"a"},"v":{"XX":"secret"}}]}"#;
    let line = invalid(Decoder::new(keys()).scan_page(body.as_bytes(), EPOCH));
    assert_eq!(
        line,
        format!("A value has a type that is not known (offset: {}, attribute: v)", body.find(r#""XX""#).unwrap())
    );
}

#[test]
fn text_that_is_not_utf8_is_an_error_at_its_position() {
    for (before, after) in [
        (&br#"{"Items":[{"id":{"S":"a"},"v":{"S":"x"#[..], &br#""}}]}"#[..]),
        (br#"{"Items":[{"id":{"S":"a"},"v":{"M":{"m":{"S":""#, br#""}}}}]}"#),
        (br#"{"Items":[{"id":{"S":"a"},"v":{"SS":[""#, br#""]}}]}"#),
        (br#"{"Items":[{"id":{"S":"a"},""#, br#"":{"N":"1"}}]}"#),
        (br#"{"Items":[{"id":{"S":"a"},"v":{"S":"x"}},{"id":{"S":""#, br#""},"v":{"N":"1"}}]}"#),
    ] {
        for bad in [&b"\xff"[..], b"\xc3", b"\xed\xa0\x80", b"\xf0\x9f\x98"] {
            let body = [before, bad, after].concat();
            let line = invalid(Decoder::new(keys()).scan_page(&body, EPOCH));
            assert!(line.contains("UTF-8") && line.contains("offset: "), "{line}");
        }
    }
    // Halves of a character in neighbouring values would be whole in the column.
    let body = b"{\"Items\":[{\"id\":{\"S\":\"a\xc3\"}},{\"id\":{\"S\":\"\xa9\"}}]}";
    assert!(invalid(Decoder::new(keys()).scan_page(body, EPOCH)).contains("offset: 23"));
}
