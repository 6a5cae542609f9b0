//! Fetching programs with the package clients of their registries.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};
use base64::{Engine, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha512};

use crate::{cache, command};

/// Installs Debian packages, if this is root on a Debian.
pub(crate) fn apt_install(packages: &[&str]) -> Result<()> {
    let list = packages.join(" ");
    ensure!(is_root() && command::find("apt-get", &[]).is_some(), "not found; install it (Debian: {list})");
    println!("apt-get install {list}");
    let apt = |arguments: &[&str]| {
        let mut apt = Command::new("apt-get");
        // In runlevel 1 no package starts its server: we start our own.
        apt.env("DEBIAN_FRONTEND", "noninteractive")
            .env("RUNLEVEL", "1")
            .args(["-q", "-o", "Dpkg::Use-Pty=0"])
            .args(arguments);
        command::run(&mut apt)
    };
    apt(&["update"])?;
    apt(&[&["install", "-y", "--no-install-recommends"], packages].concat())?;
    Ok(())
}

/// Installs Java 17 where there is no Java.
pub(crate) fn java() -> Result<()> {
    if command::run(Command::new("java").arg("-version")).is_err() {
        apt_install(&["openjdk-17-jre-headless"]).context("Java 17")?;
    }
    Ok(())
}

/// Whether this is root.
pub(crate) fn is_root() -> bool {
    command::run(Command::new("id").arg("-u")).is_ok_and(|uid| uid.trim() == "0")
}

/// The unpacked npm package, fetched with `npm pack`: nothing of it is run.
///
/// `integrity` is the registry's own notation, `sha512-` and Base64; without one, npm's check against the registry has to do.
pub(crate) fn npm(package: &str, version: &str, integrity: Option<&str>) -> Result<PathBuf> {
    let name = format!("{}-{version}", package.trim_start_matches('@').replace('/', "-"));
    let folder = cache::installed(&name, |folder| {
        if command::find("npm", &[]).is_none() {
            apt_install(&["npm"]).context("npm")?;
        }
        let specification = format!("{package}@{version}");
        let mut pack = Command::new("npm");
        pack.args(["pack", "--loglevel=error", "--ignore-scripts", &specification]).current_dir(folder);
        command::run(&mut pack)?;
        let archive = only_file(folder, ".tgz")?;
        if let Some(expected) = integrity {
            let found = format!("sha512-{}", BASE64_STANDARD.encode(Sha512::digest(fs::read(&archive)?)));
            ensure!(found == expected, "{specification} has the checksum {found}, expected {expected}");
        }
        command::run(Command::new("tar").arg("-xzf").arg(&archive).current_dir(folder))?;
        Ok(fs::remove_file(archive)?)
    })?;
    Ok(folder.join("package"))
}

/// The folder with `node_modules`, in which a package is with all that it needs; nothing of them is run by this.
pub(crate) fn npm_with_dependencies(package: &str, version: &str) -> Result<PathBuf> {
    let name = format!("{}-{version}-whole", package.trim_start_matches('@').replace('/', "-"));
    cache::installed(&name, |folder| {
        if command::find("npm", &[]).is_none() {
            apt_install(&["npm"]).context("npm")?;
        }
        fs::write(folder.join("package.json"), "{\"private\": true}")?;
        let mut install = Command::new("npm");
        install.args(["install", "--loglevel=error", "--ignore-scripts", "--no-audit", "--no-fund"]);
        install.arg(format!("{package}@{version}")).current_dir(folder);
        command::run(&mut install).map(drop)
    })
}

/// A Python environment that holds exactly these pinned requirements; `name` and their content make its place in the cache.
///
/// With `sources` packages may be built here, which runs code of theirs.
pub(crate) fn python_environment(name: &str, requirements: &str, sources: bool) -> Result<PathBuf> {
    let name = format!("{name}-{}", cache::fingerprint(requirements.as_bytes()));
    cache::installed(&name, |folder| {
        if recent_python().is_none() {
            apt_install(&["python3", "python3-venv"]).context("Python 3.11 or later")?;
        }
        let python = recent_python().context("the installed Python is older than 3.11")?;
        let create = || command::run(Command::new(&python).args(["-m", "venv"]).arg(folder));
        if create().is_err() {
            // Debian keeps `ensurepip` in a package of its own.
            apt_install(&["python3-venv"])?;
            create()?;
        }
        let list = folder.join("requirements.txt");
        fs::write(&list, requirements)?;
        let mut pip = Command::new(folder.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        if !sources {
            pip.arg("--only-binary=:all:");
        }
        command::run(pip.arg("-r").arg(&list))?;
        Ok(())
    })
}

/// A Python environment that holds exactly what is listed, whatever the packages themselves ask for, of a Python of at least this version;
/// `finish` does what is left.
pub(crate) fn listed_python_environment(
    name: &str,
    least: (u8, u8),
    requirements: &str,
    finish: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    let name = format!("{name}-{}", cache::fingerprint(requirements.as_bytes()));
    cache::installed(&name, |folder| {
        let (major, minor) = least;
        let python = python_since(least).with_context(|| {
            format!("it needs Python {major}.{minor} or later, and neither the search path nor pyenv has one; install it there")
        })?;
        command::run(Command::new(&python).args(["-m", "venv"]).arg(folder))?;
        let list = folder.join("requirements.txt");
        fs::write(&list, requirements)?;
        let mut pip = Command::new(folder.join("bin/python"));
        pip.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
            "--only-binary=:all:",
        ]);
        command::run(pip.arg("-r").arg(&list))?;
        finish(folder)
    })
}

/// A Python of at least this version, on the search path or among those that pyenv has; its shims alone say nothing.
pub(crate) fn python_since((major, minor): (u8, u8)) -> Option<PathBuf> {
    let test = format!("import sys, venv; sys.exit(sys.version_info < ({major}, {minor}))");
    let works = |python: &PathBuf| command::run(Command::new(python).args(["-c", &test])).is_ok();
    let names = (minor..=minor + 2).map(|minor| format!("python{major}.{minor}")).chain(["python3".to_owned()]);
    let found = names.filter_map(|name| command::find(&name, &[]));
    let pyenv = env::var_os("PYENV_ROOT").map(PathBuf::from).or_else(|| Some(env::home_dir()?.join(".pyenv")));
    let mut versions: Vec<PathBuf> = pyenv
        .and_then(|folder| fs::read_dir(folder.join("versions")).ok())
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin/python3")))
        .collect();
    versions.sort();
    found.chain(versions).find(works)
}

fn recent_python() -> Option<PathBuf> {
    let recent = "import sys, venv; sys.exit(sys.version_info < (3, 11))";
    ["python3", "python3.13", "python3.12", "python3.11", "python3.14"].iter().find_map(|name| {
        let python = command::find(name, &[])?;
        command::run(Command::new(&python).args(["-c", recent])).is_ok().then_some(python)
    })
}

fn only_file(folder: &Path, suffix: &str) -> Result<PathBuf> {
    let files = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    let mut matching = files.into_iter().filter(|file| file.to_string_lossy().ends_with(suffix));
    match (matching.next(), matching.next()) {
        (Some(file), None) => Ok(file),
        _ => bail!("expected one {suffix} file in {}", folder.display()),
    }
}
