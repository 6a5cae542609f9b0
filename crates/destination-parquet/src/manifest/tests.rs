use super::*;

#[test]
fn what_nothing_can_follow_is_refused() {
    let last = include_bytes!("../../../fuzz/corpus/manifest/last_version");
    let error = Manifest::parse(last, "manifest").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DataInvalid);
    assert!(error.message().contains("the last number"), "{error}");
    let whole = include_bytes!("../../../fuzz/corpus/manifest/whole");
    let manifest = Manifest::parse(whole, "manifest").unwrap();
    assert_eq!(manifest.taken_over("s".to_owned()).version, 8);
}

#[test]
fn forms_are_kept_beside_their_schemas() {
    let native = include_bytes!("../../../fuzz/corpus/manifest/native");
    let mut manifest = Manifest::parse(native, "manifest").unwrap();
    assert_eq!(Manifest::parse(&manifest.to_bytes().unwrap(), "again").unwrap(), manifest);
    let form = manifest.table_forms()["doc"].to_string();
    assert_eq!(form, "struct(any json, city text, empty json, tags list(decimal(3,1)))");
    manifest.pending.clear();
    manifest.forget_unused_schemas();
    assert_eq!(manifest.forms.len(), 1, "it is the table's own");
    let next = BTreeMap::from([(3, Arc::clone(&manifest.schemas[&2]))]);
    manifest.add_schemas(&next, &BTreeMap::new());
    manifest.forget_unused_schemas();
    assert!(manifest.forms.is_empty() && manifest.table_forms().is_empty());
}

#[test]
fn names_tell_owner_and_version() {
    assert_eq!(manifest_version(&manifest_name(42)), Some(42));
    assert!(manifest_name(9) < manifest_name(10));
    for purpose in [Purpose::Data, Purpose::Pending, Purpose::Scratch] {
        assert_eq!(file_owner(&file_name(purpose, 7, 42, "0a1b")), Some(7));
    }
    for hidden in [Hidden::Staged, Hidden::Replaced] {
        assert_eq!(file_owner(&hidden_name(&file_name(Purpose::Data, 7, 42, "0a1b"), hidden)), Some(7));
    }
    for foreign in ["a.parquet", "x/part-0.parquet", "0000000007-x-y.parquet", "0000000007.parquet", "_SUCCESS"] {
        assert_eq!(file_owner(foreign), None, "{foreign}");
    }
    assert_eq!(manifest_version("_commutator/other.json"), None);
}
