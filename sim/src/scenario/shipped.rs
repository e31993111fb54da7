//! The scenarios that come with the program. Their files lie in `sim/scenarios` and are part of the executable.

/// A scenario that comes with the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shipped {
    /// What it is called by, and what it is called in itself.
    pub name: &'static str,
    /// Its file.
    pub text: &'static str,
}

/// The scenario that runs when none is named.
pub const DEMO: &str = "demo-100";

macro_rules! shipped {
    ($($name:literal,)*) => {
        &[$(Shipped { name: $name, text: include_str!(concat!("../../scenarios/", $name, ".toml")) },)*]
    };
}

/// In the order in which they are listed: the weather first, then attacks, then those for many seeds and very many hosts.
const SHIPPED: &[Shipped] = shipped![
    "demo-100",
    "lobby-1000",
    "churn-500",
    "partition-heal",
    "dht-1000",
    "crash-disk",
    "clock-skew",
    "nat-matrix",
    "eclipse",
    "cold-boot",
    "covert-flash",
    "sybil-key",
    "spam",
    "forgers",
    "mailbox",
    "direct-churn",
    "flash-crowd-file",
    "lying-seeders",
    "mixed",
    "cores-100k",
];

/// All scenarios that come with the program.
pub fn shipped() -> &'static [Shipped] {
    SHIPPED
}

/// The one of that name.
pub fn find(name: &str) -> Option<&'static Shipped> {
    SHIPPED.iter().find(|shipped| shipped.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Level, Scenario};

    fn all() -> Vec<(&'static Shipped, Scenario)> {
        let parse = |it: &'static Shipped| {
            let file = format!("{}.toml", it.name);
            (it, Scenario::parse(&file, it.text, &[]).unwrap_or_else(|error| panic!("{error}")))
        };
        shipped().iter().map(parse).collect()
    }

    #[test]
    fn every_shipped_scenario_makes_sense_and_checks_something() {
        for (shipped, scenario) in all() {
            assert_eq!(scenario.name, shipped.name);
            assert!(!scenario.checks.is_empty(), "{}", shipped.name);
            assert!(scenario.summary.chars().count() <= 80, "{}", shipped.name);
            let story = shipped.text.lines().take_while(|line| line.starts_with("# ")).count();
            assert!((2..=6).contains(&story), "{} tells its story in {story} lines", shipped.name);
        }
        assert!(find(DEMO).is_some() && find("nothing").is_none());
    }

    #[test]
    fn every_shipped_scenario_is_the_same_when_written_and_read_again() {
        for (shipped, scenario) in all() {
            let text = scenario.to_toml().unwrap();
            assert_eq!(Scenario::parse(shipped.name, &text, &[]).unwrap(), scenario);
        }
    }

    #[test]
    fn names_tell_the_number_of_hosts() {
        for (shipped, scenario) in all() {
            let number = shipped.name.rsplit_once('-').map(|(_, number)| number.replace('k', "000"));
            if let Some(count) = number.and_then(|number| number.parse::<usize>().ok()) {
                assert_eq!(scenario.hosts(), count, "{}", shipped.name);
            }
        }
    }

    #[test]
    fn under_attack_honest_messages_arrive_and_nobody_honest_is_kept_out() {
        let attacked = |scenario: &Scenario| scenario.groups.iter().any(|group| group.hostile.is_some());
        let mut attacks = 0;
        for (shipped, scenario) in all().into_iter().filter(|(_, scenario)| attacked(scenario)) {
            let check = |figure: &str| scenario.checks.iter().find(|check| check.figure == figure).unwrap();
            assert_eq!(check("delivered").at_least, Some(0.999), "{}", shipped.name);
            assert_eq!(check("banned_honest").at_most, Some(0.0), "{}", shipped.name);
            assert_eq!(scenario.level, Level::Nodes);
            attacks += 1;
        }
        assert_eq!(attacks, 8);
    }
}
