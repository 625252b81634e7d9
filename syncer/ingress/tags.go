package ingress

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Limits of tags, from AWS. Those that say whose a resource is, and a cluster's default
// ones, need room, too: AWS takes 50 in all.
const (
	maxTagKey   = 128
	maxTagValue = 256
)

var tagPattern = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$`)

// readTags reads the tags that the member puts on resources: its class's win over its
// own. Where they cannot be read, what stands is kept.
func (b *builder) readTags(m *member) {
	tags := m.reader().pairs(keyTags)
	_, asked := m.ing.Annotations[keyTags]
	unread := asked && tags == nil && m.served
	if unread {
		tags = b.standingTags()
	}
	m.checkTags(tags, keyTags, "annotation "+keyTags, b.in.Settings.ExternalManagedTags)
	if class := m.params.tags(); len(class) > 0 {
		const field = ClassParamsKind + ".spec.tags"
		m.checkTags(class, field, fmt.Sprintf("%s of %q", field, m.params.Name), b.in.Settings.ExternalManagedTags)
	}
	m.tags = layered(m.params.tags(), tags)
	for _, key := range sortedKeys(m.tags) {
		m.opinions = append(m.opinions, opinion{topic: topic{key: keyTags, part: key}, value: m.tags[key], standing: unread})
	}
}

// checkTags blocks the member for tags that AWS would refuse, or that are others'.
func (m *member) checkTags(tags map[string]string, field, words string, external []string) {
	for _, key := range sortedKeys(tags) {
		if fault := tagFault(key, tags[key], external); fault != "" {
			m.block(ReasonInvalidAnnotation, field, "%s: the tag %q %s", words, key, fault)
		}
	}
}

func tagFault(key, value string, external []string) string {
	switch {
	case slices.Contains(external, key):
		return "is managed by others and cannot be set"
	case len(key) > maxTagKey, len(value) > maxTagValue:
		return fmt.Sprintf("is too long: AWS takes %d characters for a key and %d for a value", maxTagKey, maxTagValue)
	case !tagPattern.MatchString(key), !tagPattern.MatchString(value):
		return "has a character that AWS does not take: only letters, digits, spaces and _.:/=+-@ are"
	case strings.HasPrefix(strings.ToLower(key), "aws:"):
		return "is AWS's own"
	}
	return ""
}

// standingTags returns the tags of the load balancer that are a user's.
func (b *builder) standingTags() map[string]string {
	tags := maps.Clone(b.in.Standing.Tags)
	maps.DeleteFunc(tags, func(key, _ string) bool {
		_, byDefault := b.in.Settings.DefaultTags[key]
		return key == TagCluster || key == TagStack || key == TagResource || byDefault ||
			slices.Contains(b.in.Settings.ExternalManagedTags, key) || strings.HasPrefix(key, "aws:")
	})
	return tags
}

// groupTags returns the tags of what members share. They agree on them.
func (b *builder) groupTags(members []*member) map[string]string {
	tags := map[string]string{}
	for _, m := range members {
		if m.hasSay() {
			tags = layered(tags, m.tags)
		}
	}
	return tags
}

// tagged returns all tags of a resource: users' ones, the default ones, and those that
// say whose it is. It is a new map: no two resources share one.
func (b *builder) tagged(resource string, users map[string]string) map[string]string {
	if b.in.Settings.DefaultTagsLowPriority {
		return layered(b.tags(resource), users, b.in.Settings.DefaultTags)
	}
	return layered(b.tags(resource), b.in.Settings.DefaultTags, users)
}

// layered returns a new map in which the first of the maps that has a key wins.
func layered(layers ...map[string]string) map[string]string {
	out := map[string]string{}
	for _, layer := range slices.Backward(layers) {
		maps.Copy(out, layer)
	}
	return out
}
