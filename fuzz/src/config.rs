//! The configuration file: any bytes give a configuration or a complaint, and what was read is printed
//! in a form that reads back the same.

use std::path::Path;

use sottovoce::config::Config;

pub fn run(data: &[u8]) {
    let file = Path::new("config.toml");
    match Config::parse(file, data) {
        Ok(config) => {
            let printed = config.to_toml();
            let again =
                Config::parse(file, printed.as_bytes()).unwrap_or_else(|why| panic!("{why}: {printed}"));
            assert_eq!(again.to_toml(), printed);
            assert_eq!(again.settings().limits, config.settings().limits);
        }
        Err(why) => assert!(!why.to_string().is_empty()),
    }
}
