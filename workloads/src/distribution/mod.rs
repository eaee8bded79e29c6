//! Which keys a workload asks for: the distributions of sysbench and YCSB, each under a name that says which it is.
//!
//! # Mechanism
//!
//! A [`Distribution`] is a name with parameters, as recorded; a [`Sampler`] draws from it over ranks `0..n`.
//!
//! - `uniform`, `gaussian`, `special`, `pareto`: the formulas of sysbench 1.0.20 (`sb_rand.c`).
//! - `zipf`: a true Zipf law by rejection-inversion (Hörmann and Derflinger 1996), as sysbench's later releases draw it.
//!   Ranks are not scrambled: hot keys are neighbours, on the same pages.
//! - `ycsb-scrambled`: what YCSB calls *zipfian*. Ranks come from ten billion items by the method of Gray et al. (SIGMOD
//!   1994) and are hashed modulo `n`, so the hottest key gets 3.78 % whatever `n` is. It is not a Zipf law over `n`.
//! - `latest`: YCSB's, the same method over the keys there are, counted back from the newest.
//!
//! # Invariants
//!
//! - A draw is below `n`.
//! - Text of a distribution parses back to it: every record can be run again.
//!
//! # Caveats
//!
//! - `special` reuses one uniform number for choosing the hot band and for the place inside it, as the original does, so
//!   only three quarters of the band are ever drawn.

mod sampler;
#[cfg(test)]
mod tests;
mod ycsb;
mod zipf;

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

pub use sampler::Sampler;
pub(crate) use ycsb::fnv_hash;

/// A distribution of keys, with its parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Distribution {
    /// Every key alike.
    Uniform,
    /// The mean of `iterations` uniform draws: a bell over the middle of the range.
    Gaussian {
        /// How many draws (sysbench `--rand-spec-iter`, 12).
        iterations: u32,
    },
    /// sysbench 1.0's default: a bell, and a narrow hot band in the middle that gets most draws.
    Special {
        /// Draws for the bell (`--rand-spec-iter`, 12).
        iterations: u32,
        /// The width of the band in percent of the range (`--rand-spec-pct`, 1).
        hot_percent: u32,
        /// The share of draws that go to the band, in percent (`--rand-spec-res`, 75).
        hot_share_percent: u32,
    },
    /// A power law whose first `h` of the keys get `1 − h` of the draws.
    Pareto {
        /// sysbench `--rand-pareto-h`, 0.2.
        h: f64,
    },
    /// Zipf's law over the keys: key of rank `r` (from 1) gets a share proportional to `r^-theta`.
    Zipf {
        /// The exponent (sysbench `--rand-zipfian-exp`, 0.8).
        theta: f64,
    },
    /// YCSB's `zipfian` request distribution.
    YcsbScrambled,
    /// YCSB's `latest` request distribution.
    Latest,
}

impl Distribution {
    /// sysbench 1.0's default.
    pub const SPECIAL: Distribution = Distribution::Special { iterations: 12, hot_percent: 1, hot_share_percent: 75 };

    /// The names that parse, with each one's default parameters.
    pub const ALL: [Distribution; 7] = [
        Distribution::Uniform,
        Distribution::Gaussian { iterations: 12 },
        Distribution::SPECIAL,
        Distribution::Pareto { h: 0.2 },
        Distribution::Zipf { theta: 0.8 },
        Distribution::YcsbScrambled,
        Distribution::Latest,
    ];

    /// The name without parameters.
    pub fn name(&self) -> &'static str {
        match self {
            Distribution::Uniform => "uniform",
            Distribution::Gaussian { .. } => "gaussian",
            Distribution::Special { .. } => "special",
            Distribution::Pareto { .. } => "pareto",
            Distribution::Zipf { .. } => "zipf",
            Distribution::YcsbScrambled => "ycsb-scrambled",
            Distribution::Latest => "latest",
        }
    }

    fn set(&mut self, name: &str, value: &str) -> Option<()> {
        match (self, name) {
            (Distribution::Gaussian { iterations } | Distribution::Special { iterations, .. }, "iterations") => {
                *iterations = value.parse().ok().filter(|count| (1..=1000).contains(count))?;
            }
            (Distribution::Special { hot_percent, .. }, "hot_percent") => {
                *hot_percent = value.parse().ok().filter(|percent| (1..=100).contains(percent))?;
            }
            (Distribution::Special { hot_share_percent, .. }, "hot_share_percent") => {
                *hot_share_percent = value.parse().ok().filter(|percent| *percent < 100)?;
            }
            (Distribution::Pareto { h }, "h") => *h = value.parse().ok().filter(|h| *h > 0.0 && *h < 1.0)?,
            (Distribution::Zipf { theta }, "theta") => {
                *theta = value.parse().ok().filter(|theta| *theta > 0.0 && *theta < 10.0)?;
            }
            _ => return None,
        }
        Some(())
    }
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Distribution::Uniform => Ok(()),
            Distribution::Gaussian { iterations } => write!(f, "(iterations={iterations})"),
            Distribution::Special { iterations, hot_percent, hot_share_percent } => {
                write!(f, "(iterations={iterations},hot_percent={hot_percent},hot_share_percent={hot_share_percent})")
            }
            Distribution::Pareto { h } => write!(f, "(h={h})"),
            Distribution::Zipf { theta } => write!(f, "(theta={theta})"),
            Distribution::YcsbScrambled | Distribution::Latest => write!(f, "(theta={})", ycsb::THETA),
        }
    }
}

/// Why text names no distribution.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DistributionError {
    /// No such name.
    #[error(
        "no distribution is named {0:?}; there are uniform, gaussian, special, pareto, zipf, ycsb-scrambled, latest"
    )]
    Name(String),
    /// No such parameter, or a value it does not take.
    #[error("{name} does not take {parameter:?}; its parameters are as in {example:?}")]
    Parameter {
        /// The distribution.
        name: &'static str,
        /// What was given.
        parameter: String,
        /// The distribution with its defaults.
        example: String,
    },
}

impl FromStr for Distribution {
    type Err = DistributionError;

    /// Parses `name` or `name(parameter=value,…)`; parameters left out have their defaults.
    fn from_str(text: &str) -> Result<Distribution, DistributionError> {
        let (name, parameters) = match text.strip_suffix(')').and_then(|text| text.split_once('(')) {
            Some((name, parameters)) => (name, parameters),
            None => (text, ""),
        };
        let default = Distribution::ALL
            .into_iter()
            .find(|distribution| distribution.name() == name)
            .ok_or_else(|| DistributionError::Name(text.to_owned()))?;
        let mut distribution = default;
        for parameter in parameters.split(',').map(str::trim).filter(|parameter| !parameter.is_empty()) {
            // YCSB's exponent is part of what those two are; writing it down is allowed, changing it is not.
            let fixed = matches!(distribution, Distribution::YcsbScrambled | Distribution::Latest)
                && parameter == format!("theta={}", ycsb::THETA);
            let known = parameter.split_once('=').and_then(|(key, value)| distribution.set(key.trim(), value.trim()));
            if known.is_none() && !fixed {
                return Err(DistributionError::Parameter {
                    name: default.name(),
                    parameter: parameter.to_owned(),
                    example: default.to_string(),
                });
            }
        }
        Ok(distribution)
    }
}
