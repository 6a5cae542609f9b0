//! What the fuzz targets call.

use crate::manifest::{Manifest, file_owner, manifest_name, manifest_version};

/// Holds that a manifest which is read is written and read back as the same one, and that a session can take it over.
///
/// # Panics
///
/// If that does not hold.
pub fn manifest(bytes: &[u8]) {
    if let Ok(text) = str::from_utf8(bytes) {
        for name in text.lines().take(16) {
            if let Some(version) = manifest_version(name) {
                assert_eq!(manifest_version(&manifest_name(version)), Some(version));
            }
            if let Some(owner) = file_owner(name) {
                assert!(owner < 10_u64.pow(10) && name.contains(&format!("{owner:010}-")), "{name}");
            }
        }
    }
    let Ok(mut manifest) = Manifest::parse(bytes, "manifest") else { return };
    let printed = manifest.to_bytes().unwrap();
    assert_eq!(Manifest::parse(&printed, "printed").unwrap(), manifest);
    let next = manifest.taken_over("session".to_owned());
    assert!(next.version > manifest.version && next.owner > manifest.owner);
    let table = manifest.schema().map(|(number, schema)| (number, schema.as_ref().clone()));
    manifest.forget_unused_schemas();
    assert_eq!(manifest.schema().map(|(number, schema)| (number, schema.as_ref().clone())), table);
    for file in manifest.files.iter().chain(&manifest.pending) {
        let bucket = file.bucket;
        assert!(bucket.covers(bucket) && bucket.contains(bucket.starts_at()));
        assert!(bucket.depth() < 32 || bucket.split(0).len() == 1);
    }
}
