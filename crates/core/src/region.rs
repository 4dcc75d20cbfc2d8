//! The data centres and their hosts. An app lives in exactly one, so there is no default: a wrong guess would
//! answer 60026 at best.

use std::fmt;
use std::str::FromStr;

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

struct Row {
    region: Region,
    name: &'static str,
    host: &'static str,
    spare_host: &'static str,
}

const fn row(region: Region, name: &'static str, host: &'static str, spare: &'static str) -> Row {
    Row {
        region,
        name,
        host,
        spare_host: spare,
    }
}

/// In the order of the enum, which a test holds.
#[rustfmt::skip]
const TABLE: [Row; 9] = [
    row(Region::China, "china", "console.tim.qq.com", "adminapi.my-imcloud.com"),
    row(Region::Singapore, "singapore", "adminapisgp.im.qcloud.com", "adminapisgp.my-imcloud.com"),
    row(Region::Seoul, "seoul", "adminapikr.im.qcloud.com", "adminapikr.my-imcloud.com"),
    row(Region::Tokyo, "tokyo", "adminapijpn.im.qcloud.com", "adminapijpn.my-imcloud.com"),
    row(Region::Frankfurt, "frankfurt", "adminapiger.im.qcloud.com", "adminapiger.my-imcloud.com"),
    row(Region::SiliconValley, "silicon-valley", "adminapiusa.im.qcloud.com", "adminapiusa.my-imcloud.com"),
    row(Region::Jakarta, "jakarta", "adminapiidn.im.qcloud.com", "adminapiidn.my-imcloud.com"),
    row(Region::Mumbai, "mumbai", "adminapiind.im.qcloud.com", "adminapiind.my-imcloud.com"),
    row(Region::SaudiArabia, "saudi-arabia", "adminapiksa.im.qcloud.com", "adminapiksa.my-imcloud.com"),
];

impl Region {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Region> {
        TABLE.iter().map(|row| row.region)
    }

    /// The region's name in settings: `singapore`, `silicon-valley` …
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The host that serves the region's apps.
    #[must_use]
    pub fn host(self) -> &'static str {
        self.row().host
    }

    /// The host for when the name of the first is resolved to a wrong address.
    #[must_use]
    pub fn spare_host(self) -> &'static str {
        self.row().spare_host
    }

    fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A region's name that nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown region {given:?}: use one of {}", known_names())]
pub struct UnknownRegion {
    given: String,
}

fn known_names() -> String {
    let names: Vec<_> = Region::all().map(Region::name).collect();
    names.join(", ")
}

impl FromStr for Region {
    type Err = UnknownRegion;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Region::all()
            .find(|region| region.name() == name)
            .ok_or_else(|| UnknownRegion {
                given: name.to_owned(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_region_finds_its_own_row_and_its_own_name() {
        for (index, region) in Region::all().enumerate() {
            assert_eq!(region as usize, index);
            assert_eq!(region.row().region, region);
            assert_eq!(region.name().parse(), Ok(region));
        }
        assert_eq!(Region::all().count(), 9);
    }

    #[test]
    fn an_unknown_region_is_answered_with_all_the_known_ones() {
        assert_eq!(
            "mars".parse::<Region>().unwrap_err().to_string(),
            "unknown region \"mars\": use one of china, singapore, seoul, tokyo, frankfurt, silicon-valley, \
             jakarta, mumbai, saudi-arabia"
        );
    }
}
