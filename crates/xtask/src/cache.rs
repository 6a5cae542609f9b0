//! The folder that downloads are kept in between runs and between clones.

use std::{
    env, fs,
    fs::File,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// `${XDG_CACHE_HOME:-$HOME/.cache}/commutator/services`.
pub(crate) fn folder() -> Result<PathBuf> {
    let base = match env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty()) {
        Some(base) => PathBuf::from(base),
        None => PathBuf::from(env::var_os("HOME").context("neither XDG_CACHE_HOME nor HOME is set")?).join(".cache"),
    };
    Ok(base.join("commutator").join("services"))
}

/// The folder of the cached thing `name`, made by `install` if it is not there whole.
///
/// Two clones that start at once wait for each other; what a killed run left half done is thrown away.
pub(crate) fn installed(name: &str, install: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    installed_in(&folder()?, name, install)
}

fn installed_in(cache: &Path, name: &str, install: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    fs::create_dir_all(cache).with_context(|| format!("cannot create {}", cache.display()))?;
    let lock = File::create(cache.join(format!("{name}.lock")))?;
    lock.lock()?;
    let folder = cache.join(name);
    let complete = folder.join(".complete");
    if !complete.exists() {
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        println!("installing {name}");
        install(&folder).with_context(|| format!("cannot install {name}"))?;
        File::create(&complete)?;
    }
    Ok(folder)
}

/// A short name for a content: the first 16 hexadecimal digits of its SHA-256.
pub(crate) fn fingerprint(content: &[u8]) -> String {
    hexadecimal(&Sha256::digest(content)[..8])
}

/// Two digits per byte.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn installs_once_and_again_after_a_failure() {
        let cache = tempfile::tempdir().unwrap();
        let failed = installed_in(cache.path(), "thing", |folder| {
            fs::write(folder.join("half"), "")?;
            anyhow::bail!("no network")
        });
        assert!(format!("{:#}", failed.unwrap_err()).contains("no network"));

        let folder = installed_in(cache.path(), "thing", |folder| {
            assert!(!folder.join("half").exists());
            Ok(fs::write(folder.join("whole"), "")?)
        });
        assert!(folder.unwrap().join("whole").exists());
        installed_in(cache.path(), "thing", |_| panic!("it is there already")).unwrap();
    }

    #[test]
    fn fingerprints_differ_with_the_content() {
        assert_eq!(fingerprint(b""), "e3b0c44298fc1c14");
        assert_ne!(fingerprint(b"a"), fingerprint(b"b"));
    }
}
