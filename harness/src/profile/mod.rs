//! Named link profiles: what lies between the zones.
//!
//! A profile is a TOML file. `none`, `three-az` and `three-az-far` are built in; any other name is read as a path. Delays
//! are parameters of the harness, and each profile says where its numbers come from.

use std::path::Path;

use node::{Delay, LinkModel, LinkProfile, Nanos, Zone};
use serde::Deserialize;

use crate::exit::Failure;
use crate::names;

const BUILT_IN: [&str; 3] =
    [include_str!("none.toml"), include_str!("three-az.toml"), include_str!("three-az-far.toml")];

/// A profile as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Its name in records.
    pub name: String,
    /// One line for `list`.
    pub about: String,
    /// Where the numbers come from.
    pub source: String,
    /// The links that are not direct.
    #[serde(default)]
    pub link: Vec<Link>,
}

/// The links of one kind of zone pair.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// Which pairs.
    pub between: Between,
    /// The least delay one way, in microseconds.
    pub base_us: u64,
    /// The mean of an exponential tail on top, in microseconds.
    #[serde(default)]
    pub tail_us: u64,
    /// Megabytes (10^6 bytes) a second; absent is unlimited.
    pub bandwidth_mb_per_s: Option<u64>,
    /// Probability that a frame is lost.
    #[serde(default)]
    pub loss: f64,
}

/// Which zone pairs a link entry describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Between {
    /// Two nodes in one zone.
    SameZone,
    /// Two nodes in different zones.
    OtherZone,
}

impl Profile {
    /// The built-in profiles.
    pub fn built_in() -> Vec<Profile> {
        let parse = |text: &&str| toml::from_str(text).expect("built-in profiles are checked by a test");
        BUILT_IN.iter().map(parse).collect()
    }

    /// The built-in profile `name`, or the file of that name.
    pub fn find(name: &str) -> Result<Profile, Failure> {
        if let Some(profile) = Profile::built_in().into_iter().find(|profile| profile.name == name) {
            return Ok(profile);
        }
        let path = Path::new(name);
        if path.extension().is_none_or(|extension| extension != "toml") {
            let known: Vec<String> = Profile::built_in().into_iter().map(|profile| profile.name).collect();
            let unknown = names::unknown("profile", name, known.iter().map(String::as_str));
            return Err(Failure::usage(format!("{unknown}, or give the path of a .toml file")));
        }
        let text = std::fs::read_to_string(path).map_err(|error| Failure::io(format!("profile {name}: {error}")))?;
        let profile: Profile =
            toml::from_str(&text).map_err(|error| Failure::usage(format!("profile {name}: {error}")))?;
        profile.check().map_err(|error| Failure::usage(format!("profile {name}: {error}")))?;
        Ok(profile)
    }

    fn check(&self) -> Result<(), String> {
        for link in &self.link {
            if !(0.0..1.0).contains(&link.loss) {
                return Err(format!("loss = {} is not a probability below 1", link.loss));
            }
            if link.bandwidth_mb_per_s == Some(0) {
                return Err("bandwidth_mb_per_s = 0 lets nothing pass; leave it out for no limit".to_owned());
            }
        }
        let same = |kind| self.link.iter().filter(|link| link.between == kind).count();
        if same(Between::SameZone) > 1 || same(Between::OtherZone) > 1 {
            return Err("each kind of link may be given once".to_owned());
        }
        Ok(())
    }

    /// The profile as the runtimes take it.
    pub fn links(&self) -> LinkProfile {
        let mut profile = LinkProfile { name: self.name.clone(), ..LinkProfile::none() };
        for from in Zone::ALL {
            for to in Zone::ALL {
                let kind = if from == to { Between::SameZone } else { Between::OtherZone };
                if let Some(link) = self.link.iter().find(|link| link.between == kind) {
                    profile.between[from as usize][to as usize] = link.model();
                }
            }
        }
        profile
    }
}

impl Link {
    fn model(&self) -> LinkModel {
        let (base, tail) = (Nanos::from_micros(self.base_us), Nanos::from_micros(self.tail_us));
        let delay = if self.tail_us == 0 { Delay::Constant(base) } else { Delay::Tailed { base, tail } };
        let bandwidth_bytes_per_s = self.bandwidth_mb_per_s.map(|megabytes| megabytes * 1_000_000);
        LinkModel { delay, bandwidth_bytes_per_s, loss: self.loss }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_profiles_parse_and_say_where_their_numbers_come_from() {
        for profile in Profile::built_in() {
            assert_eq!(profile.check(), Ok(()), "{}", profile.name);
            assert!(!profile.source.is_empty() && !profile.about.is_empty());
        }
    }

    #[test]
    fn zones_are_farther_apart_than_nodes_of_one_zone() {
        let links = Profile::find("three-az").expect("built in").links();
        let (near, far) = (links.between(Zone::A, Zone::A), links.between(Zone::A, Zone::B));
        assert!(far.delay.median() > near.delay.median());
        assert_eq!(Profile::find("none").expect("built in").links(), LinkProfile::none());
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let failure = Profile::find("mars").expect_err("unknown");
        assert!(failure.message.contains("three-az"), "{failure}");
    }
}
