//! The data centres and their hosts. An app lives in exactly one, so there is no default: a wrong guess would
//! answer 60026 at best.

use std::fmt;
use std::str::FromStr;

use crate::secret::shown_setting;

/// A data centre of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // each variant is the name of a place
pub enum Region {
    China,
    Singapore,
    Seoul,
    Tokyo,
    Frankfurt,
    SiliconValley,
    Jakarta,
    /// Named by older pages only.
    Mumbai,
    /// Seen in clients of third parties only.
    SaudiArabia,
}

impl Region {
    /// All of them.
    pub const ALL: [Region; 9] = [
        Region::China,
        Region::Singapore,
        Region::Seoul,
        Region::Tokyo,
        Region::Frankfurt,
        Region::SiliconValley,
        Region::Jakarta,
        Region::Mumbai,
        Region::SaudiArabia,
    ];

    /// Its name, its host, and its spare host.
    #[rustfmt::skip]
    fn row(self) -> [&'static str; 3] {
        match self {
            Region::China => ["china", "console.tim.qq.com", "adminapi.my-imcloud.com"],
            Region::Singapore => ["singapore", "adminapisgp.im.qcloud.com", "adminapisgp.my-imcloud.com"],
            Region::Seoul => ["seoul", "adminapikr.im.qcloud.com", "adminapikr.my-imcloud.com"],
            Region::Tokyo => ["tokyo", "adminapijpn.im.qcloud.com", "adminapijpn.my-imcloud.com"],
            Region::Frankfurt => ["frankfurt", "adminapiger.im.qcloud.com", "adminapiger.my-imcloud.com"],
            Region::SiliconValley => ["silicon-valley", "adminapiusa.im.qcloud.com", "adminapiusa.my-imcloud.com"],
            Region::Jakarta => ["jakarta", "adminapiidn.im.qcloud.com", "adminapiidn.my-imcloud.com"],
            Region::Mumbai => ["mumbai", "adminapiind.im.qcloud.com", "adminapiind.my-imcloud.com"],
            Region::SaudiArabia => ["saudi-arabia", "adminapiksa.im.qcloud.com", "adminapiksa.my-imcloud.com"],
        }
    }

    /// The region's name in settings: `singapore`, `silicon-valley` …
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row()[0]
    }

    /// The host that serves the region's apps.
    #[must_use]
    pub fn host(self) -> &'static str {
        self.row()[1]
    }

    /// The host for when the name of the first is resolved to a wrong address.
    #[must_use]
    pub fn spare_host(self) -> &'static str {
        self.row()[2]
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that no region has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown region {0:?}: use one of {names}", names = Region::ALL.map(Region::name).join(", "))]
pub struct UnknownRegion(String);

impl FromStr for Region {
    type Err = UnknownRegion;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let mut regions = Region::ALL.into_iter();
        let known = regions.find(|region| region.name() == name);
        known.ok_or_else(|| UnknownRegion(shown_setting(name).to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_region_is_found_by_its_name() {
        for region in Region::ALL {
            assert_eq!(region.name().parse(), Ok(region));
        }
    }
}
