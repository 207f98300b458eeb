//! Which names are names, and which are the same.

use crate::harness::server::Server;

#[test]
fn names_have_letters_digits_and_three_signs() {
    let server = Server::start();
    let longest = "n".repeat(32);
    let too_long = "n".repeat(33);
    let good = ["a", "alice_2", "a-b.c", "Ångström", "日本", "Ελένη", &longest];
    let bad = [
        "a/b",
        "a:b",
        "<a>",
        "a@b",
        "a,b",
        "#a",
        "*",
        "(closed)",
        "a\u{7}b",
        "a\u{202e}b",
        "a\u{9b}b",
        "a\u{200f}",
        "\u{1b}[31m",
        "a\u{2066}b",
        "a😀",
        &too_long,
    ];
    for name in good {
        server.scene().play(&format!("x > /nick {name}\nx < *** {{{name}}}"));
    }
    for name in bad {
        server.scene().play(&format!("x > /nick {name}\nx < !!! bad-name: …"));
    }
}

#[test]
fn room_names_follow_the_same_rules_with_or_without_a_hash() {
    let server = Server::start();
    let longest = "r".repeat(64);
    let mut scene = server.scene();
    scene.guests(&["alice"]);
    for name in ["lobby", "kaffee-küche", "v1.2_b", &longest] {
        scene.play(&format!(
            "
            alice > /join #{name}
            alice < *** you are in #{name}
            alice < *** history of #{name}
            alice < *** end of history
            alice > /join {name}
            alice < *** you are in #{name}
            alice < *** history of #{name}
            alice < *** end of history
            "
        ));
    }
    for name in ["a/b", "#", "a\u{202e}b", "a\u{7}b", "<b>", &format!("{longest}r")] {
        scene.play(&format!("alice > /join {name}\nalice < !!! bad-name: …"));
    }
}

#[test]
fn a_missing_name_is_a_missing_argument() {
    let server = Server::start();
    server.scene().play(
        "
        alice > /nick
        alice < !!! missing-argument: …
        alice > /login
        alice < !!! missing-argument: …
        alice > /register
        alice < !!! missing-argument: …
        ",
    );
}

/// Whoever looks like `first` is refused while `first` is there, and once it is an account.
#[track_caller]
fn check_same_name(first: &str, looks_alike: &[&str]) {
    let server = Server::start();
    let mut scene = server.scene();
    scene.play(&format!("x > /nick {first}\nx < *** {{{first}}}"));
    for other in looks_alike {
        scene.play(&format!("y > /nick {other}\ny < !!! name-taken: …"));
    }
    scene.remove("x");
    scene.play(&format!("z > /register {first}-b correct-horse\nz < *** {{{first}-b}}"));
    for other in looks_alike {
        scene.play(&format!("y > /nick {other}-b\ny < !!! name-registered: …"));
        scene.play(&format!("y > /register {other}-b correct-horse\ny < !!! name-…: …"));
    }
}

#[test]
fn upper_and_lower_case_are_the_same_name() {
    check_same_name("Alice", &["alice", "ALICE", "aLiCe"]);
}

#[test]
fn letters_that_look_alike_are_the_same_name() {
    check_same_name("modem", &["modern", "MODEM", "rnodem"]);
}

#[test]
fn letters_of_other_scripts_and_widths_are_the_same_name() {
    check_same_name("paypal", &["\u{440}aypal", "p\u{430}ypal", "\u{ff50}aypal"]);
}

#[test]
fn composed_and_decomposed_letters_are_the_same_name() {
    check_same_name("jos\u{e9}", &["jose\u{301}"]);
}

#[test]
fn a_login_finds_its_account_by_a_name_of_other_case() {
    let server = Server::start();
    let mut scene = server.scene();
    scene.accounts(&["Alice"]);
    scene.play("y > /login aLICE correct-horse\ny < *** {Alice}");
}

#[test]
fn a_room_is_shown_as_its_first_visitor_typed_it() {
    let server = Server::start();
    let mut scene = server.room_of("Lobby", &["alice"]);
    scene.guests(&["bob"]);
    scene.play(
        "
        bob > /join LOBBY
        bob < *** you are in #Lobby
        bob < *** history of #Lobby
        bob < *** end of history
        alice < *** {bob} {#Lobby}
        bob > hello
        alice < [HH:MM] #Lobby <bob> hello
        ",
    );
}

#[test]
fn a_guests_name_is_free_when_the_guest_has_left() {
    let server = Server::start();
    let mut scene = server.scene();
    scene.guests(&["alice"]);
    scene.play(
        "
        alice > /quit
        alice < ⋮
        alice < (closed)
        bob > /nick alice
        bob < *** {alice}
        ",
    );
}
