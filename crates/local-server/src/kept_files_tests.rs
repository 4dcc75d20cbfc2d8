//! What is kept for a server, and what is refused as others could have made it.

use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

use super::*;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn secret(folder: &KeptFiles, value: &str) -> Result<String, KeptFilesError> {
    folder.secret("key", || Ok(value.to_owned()))
}

#[test]
fn a_secret_is_made_once_and_is_for_its_owner_alone() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("deep/data");
    let folder = KeptFiles::open(&path, "daemon").unwrap();
    assert_eq!(secret(&folder, "first").unwrap(), "first");
    assert_eq!(secret(&folder, "second").unwrap(), "first");
    let file = folder.file("key");
    assert_eq!((mode(&path), mode(&file)), (0o700, 0o600));
    fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    assert_eq!(secret(&folder, "third").unwrap(), "first");
    assert_eq!(mode(&file), 0o600);
    assert!(folder.write_new("key", b"fourth").is_err());
}

#[test]
fn a_folder_with_other_files_is_refused_and_left_as_it_is() {
    let home = tempfile::tempdir().unwrap();
    let folder = KeptFiles::open(home.path(), "daemon").unwrap();
    fs::write(home.path().join(".new-x"), "left by one that was killed").unwrap();
    fs::write(home.path().join("key"), "k").unwrap();
    fs::create_dir(home.path().join("lost+found")).unwrap();
    // a server may listen in its folder
    let _socket = UnixListener::bind(home.path().join("imtag.sock")).unwrap();
    fs::write(home.path().join("imtag.sock.late"), "kept beside it").unwrap();
    folder.refuse_others(&["key"]).unwrap();
    fs::write(home.path().join("thesis.txt"), "mine").unwrap();
    let error = folder.refuse_others(&["key"]).unwrap_err();
    assert!(matches!(error, KeptFilesError::Foreign { .. }), "{error}");
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 6);
    let no_folder = home.path().join("thesis.txt");
    let error = KeptFiles::open(&no_folder, "daemon").unwrap_err();
    assert!(matches!(error, KeptFilesError::NoFolder { .. }), "{error}");
}

#[test]
fn one_server_at_a_time_has_a_folder() {
    let home = tempfile::tempdir().unwrap();
    let first = KeptFiles::open(home.path(), "daemon").unwrap();
    let error = KeptFiles::open(home.path(), "daemon").unwrap_err();
    assert!(error.to_string().starts_with("another daemon uses"));
    assert!(error.is_denied());
    drop(first);
    KeptFiles::open(home.path(), "daemon").unwrap();
}

#[test]
fn no_link_and_no_second_name_is_followed_out_of_the_folder() {
    let home = tempfile::tempdir().unwrap();
    let folder = KeptFiles::open(&home.path().join("data"), "daemon").unwrap();
    let (mine, key) = (home.path().join("mine"), folder.file("key"));
    fs::write(&mine, "my own key").unwrap();
    fs::set_permissions(&mine, Permissions::from_mode(0o644)).unwrap();
    let refused = |make: &dyn Fn()| {
        make();
        for error in [
            secret(&folder, "k").unwrap_err(),
            folder.text("key").unwrap_err(),
            folder.own_file("key").unwrap_err(),
            folder.refuse_link("key").unwrap_err(),
        ] {
            assert!(matches!(error, KeptFilesError::NoFile { .. }), "{error}");
        }
        fs::remove_file(&key).unwrap();
    };
    refused(&|| symlink(&mine, &key).unwrap());
    refused(&|| symlink("nowhere", &key).unwrap());
    refused(&|| fs::hard_link(&mine, &key).unwrap());
    assert_eq!(mode(&mine), 0o644);
    assert_eq!(fs::read_to_string(&mine).unwrap(), "my own key");
}

#[test]
fn what_others_can_change_is_trusted_neither_as_a_folder_nor_as_a_secret() {
    for (me, owner, mode, folder, file) in [
        (1000, 1000, 0o700, true, true),
        (1000, 1000, 0o755, true, true),
        // the files of a volume are its group's, too
        (1000, 1000, 0o770, false, true),
        (1000, 1000, 0o777, false, false),
        (1000, 1001, 0o700, false, false),
        (0, 65_534, 0o700, false, false),
        (0, 0, 0o777, false, false),
        // a volume
        (1000, 0, 0o777, true, false),
    ] {
        let is = (
            is_own_folder(me, owner, mode),
            is_of_nobody_else(me, owner, mode),
        );
        assert_eq!(is, (folder, file), "{me} {owner} {mode:o}");
    }
    let home = tempfile::tempdir().unwrap();
    let open = || KeptFiles::open(home.path(), "daemon");
    let writable = |path: &Path, mode| {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    };
    writable(home.path(), 0o777);
    let error = open().unwrap_err();
    assert!(matches!(error, KeptFilesError::OfOthers { .. }), "{error}");
    writable(home.path(), 0o755);
    let folder = open().unwrap();
    secret(&folder, "first").unwrap();
    writable(&folder.file("key"), 0o666);
    for error in [
        secret(&folder, "k").unwrap_err(),
        folder.text("key").unwrap_err(),
        folder.own_file("key").unwrap_err(),
    ] {
        assert!(matches!(error, KeptFilesError::OfOthers { .. }), "{error}");
    }
}

#[test]
fn no_key_is_made_twice() {
    let (one, other) = (random_key().unwrap(), random_key().unwrap());
    assert!(one != other && one.len() == 64);
}
