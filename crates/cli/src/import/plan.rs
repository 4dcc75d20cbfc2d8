//! The plan: which requests are to be sent for a file. A user who has more tags in the file than any user may carry
//! is in none of them: to add some of these tags would be a choice that is not ours.

use std::ops::Range;

use imtag_core::packing::{Packing, Slot};
use imtag_core::{AddTags, Rules};

use super::held::Groups;

/// The requests for the users of a file, as few as can be.
pub(crate) struct Plan {
    groups: Groups,
    packing: Packing,
    rules: Rules,
    /// How many slots there are up to and with each user.
    slots_up_to: Vec<usize>,
}

impl Plan {
    pub(crate) fn new(groups: Groups, rules: Rules) -> Plan {
        let limits = rules.limits;
        let planned = |user| match groups.tag_count(user) {
            tags if tags > limits.tags_per_user => 0,
            tags => tags,
        };
        let packing = Packing::new((0..groups.users()).map(planned), &limits);
        let mut slots = 0;
        let slots_up_to = (0..groups.users()).map(|user| {
            slots += planned(user).div_ceil(limits.tags_per_user_and_request);
            slots
        });
        Plan {
            slots_up_to: slots_up_to.collect(),
            packing,
            groups,
            rules,
        }
    }

    pub(crate) fn groups(&self) -> &Groups {
        &self.groups
    }

    pub(crate) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// How many requests there are: the lower bound.
    pub(crate) fn requests(&self) -> usize {
        self.packing.requests()
    }

    /// The slots of one request.
    pub(crate) fn slots_of(&self, request: usize) -> impl Iterator<Item = Slot> + '_ {
        self.packing.request(request)
    }

    /// One request, to send.
    pub(crate) fn request(&self, request: usize) -> AddTags<'_> {
        let users = self.slots_of(request).map(|slot| {
            let tags = self.groups.tags(slot.user, slot.tags);
            (self.groups.account(slot.user), tags)
        });
        AddTags::by(&self.rules, users)
            .expect("accounts and tags were checked by the same rules, and packed within them")
    }

    /// How many slots there are.
    pub(crate) fn slots(&self) -> usize {
        self.slots_up_to.last().copied().unwrap_or(0)
    }

    /// The numbers of a user's slots, among all slots; none for a user who has too many tags.
    pub(crate) fn slots_of_user(&self, user: usize) -> Range<usize> {
        let start = user
            .checked_sub(1)
            .map_or(0, |before| self.slots_up_to[before]);
        start..self.slots_up_to[user]
    }

    /// The number of a slot, among all slots.
    pub(crate) fn number_of(&self, slot: &Slot) -> usize {
        self.slots_of_user(slot.user).start
            + slot.tags.start / self.rules.limits.tags_per_user_and_request
    }

    /// The tags of a user's slot, counted from the user's first.
    pub(crate) fn tags_of_slot(&self, user: usize, nth: usize) -> impl Iterator<Item = &str> {
        let size = self.rules.limits.tags_per_user_and_request;
        let end = self.groups.tag_count(user).min((nth + 1) * size);
        self.groups.tags(user, nth * size..end)
    }
}

#[cfg(test)]
mod tests {
    use super::super::change::{Change, Op, Tags};
    use super::super::memory::Memory;
    use super::super::users::Gathering;
    use super::*;

    /// Users of these numbers of tags.
    fn plan(tags: &[usize]) -> Plan {
        let rules = Rules::default();
        let mut gathering = Gathering::new(Memory::LEAST, std::env::temp_dir());
        for (user, tags) in tags.iter().enumerate() {
            let account = format!("user{user}");
            for tag in 0..*tags {
                let change = Change {
                    account: &account,
                    op: Op::Add,
                    tags: Tags::One(&format!("tag{tag}")),
                };
                gathering.add(&change).unwrap();
            }
        }
        let mut gathered = gathering.finish(rules.limits).unwrap();
        Plan::new(Groups::of(&mut gathered).unwrap(), rules)
    }

    #[test]
    fn a_plan_has_the_fewest_requests_and_every_tag_once() {
        let plan = plan(&[25, 3, 100, 10]);
        assert_eq!(plan.requests(), 10);
        assert_eq!(plan.slots(), 15);
        let mut seen = vec![0; plan.slots()];
        let mut tags = 0;
        for request in 0..plan.requests() {
            tags += plan
                .request(request)
                .users()
                .map(|user| user.tags.len())
                .sum::<usize>();
            for slot in plan.slots_of(request) {
                seen[plan.number_of(&slot)] += 1;
            }
        }
        assert_eq!(seen, [1; 15]);
        assert_eq!(tags, 138);
    }

    #[test]
    fn a_user_with_more_tags_than_one_may_carry_is_in_no_request() {
        let plan = plan(&[1, 101, 2]);
        assert_eq!(plan.requests(), 1);
        let request = plan.request(0);
        let accounts: Vec<_> = request.users().map(|user| user.account.as_str()).collect();
        assert_eq!(accounts, ["user0", "user2"]);
        assert_eq!(plan.groups().account(2), "user1");
        assert!(plan.slots_of_user(2).is_empty());
    }

    #[test]
    fn a_slot_knows_its_tags() {
        let plan = plan(&[3, 25]);
        assert_eq!(plan.slots_of_user(0), 0..3);
        let last: Vec<_> = plan.tags_of_slot(0, 2).collect();
        assert_eq!(last, ["tag20", "tag21", "tag22", "tag23", "tag24"]);
    }
}
