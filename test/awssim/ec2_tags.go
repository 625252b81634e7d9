package awssim

import (
	"slices"
	"strings"
)

type ec2TagResult struct{ Key, Value *string }

func (t tagList) ec2Results() []ec2TagResult {
	results := make([]ec2TagResult, 0, len(t))
	for _, tag := range t {
		results = append(results, ec2TagResult{new(tag.key), new(tag.value)})
	}
	return results
}

type ec2TagParams struct {
	Key   string
	Value *string
}

type tagSpecification struct {
	ResourceType string         `check:"required"`
	Tags         []ec2TagParams `name:"Tag"`
}

type createTagsParams struct {
	ResourceIds []string       `name:"ResourceId" check:"required"`
	Tags        []ec2TagParams `name:"Tag"        check:"required"`
	dryRunParams
}

type deleteTagsParams struct {
	ResourceIds []string       `name:"ResourceId" check:"required"`
	Tags        []ec2TagParams `name:"Tag"`
	dryRunParams
}

type describeEC2TagsParams struct{ listParams }

type returnResult struct{ Return bool }

// specifiedTags are the tags that a create call gives its resource.
func (s *Sim) specifiedTags(resourceType string, specs []tagSpecification) (tagList, error) {
	var all []ec2TagParams
	for _, spec := range specs {
		if spec.ResourceType != resourceType {
			return nil, errInvalidValue("'%s' is not a valid taggable resource type for this operation.", spec.ResourceType)
		}
		all = append(all, spec.Tags...)
	}
	return s.newEC2Tags(nil, all)
}

// newEC2Tags checks tags that are given to a resource that has some already.
func (s *Sim) newEC2Tags(has tagList, params []ec2TagParams) (tagList, error) {
	seen := map[string]bool{}
	var tags tagList
	for _, p := range params {
		t := tag{key: p.Key}
		set(&t.value, p.Value)
		if problem := t.problem(); problem != "" {
			return nil, errInvalidValue("%s", problem)
		}
		if seen[t.key] {
			return nil, errInvalidValue("Duplicate tag key '%s' specified.", t.key)
		}
		seen[t.key] = true
		tags = append(tags, t)
	}
	all := has.with(tags)
	if len(all) > s.quotas.TagsPerResource {
		return nil, errAPI("TagLimitExceeded", "The maximum number of Tags for a resource has been reached.")
	}
	return all, nil
}

// ec2TaggedLocked finds the tags of a resource, and of what type it is.
func (s *Sim) ec2TaggedLocked(id string) (tags *tagList, resourceType string, err error) {
	switch {
	case strings.HasPrefix(id, vpcKind.prefix):
		if v, ok := s.vpcs[id]; ok {
			return &v.tags, "vpc", nil
		}
		return nil, "", vpcKind.missing(id)
	case strings.HasPrefix(id, subnetKind.prefix):
		if sub, ok := s.subnets[id]; ok {
			return &sub.tags, "subnet", nil
		}
		return nil, "", subnetKind.missing(id)
	case strings.HasPrefix(id, groupKind.prefix):
		g, err := s.findGroupLocked(id)
		if err != nil {
			return nil, "", err
		}
		return &g.tags, "security-group", nil
	}
	return nil, "", errAPI("InvalidID", "The ID '%s' is not valid", id)
}

func (s *Sim) createTagsLocked(p *createTagsParams) (any, error) {
	merged := make([]tagList, len(p.ResourceIds))
	lists := make([]*tagList, len(p.ResourceIds))
	for i, id := range p.ResourceIds {
		var err error
		if lists[i], _, err = s.ec2TaggedLocked(id); err != nil {
			return nil, err
		}
		if merged[i], err = s.newEC2Tags(*lists[i], p.Tags); err != nil {
			return nil, err
		}
	}
	for i, list := range lists {
		*list = merged[i]
	}
	return returnResult{true}, nil
}

// deleteTagsLocked takes tags away: those with a key, only if the value is the one
// given, or all of them if the call names none.
func (s *Sim) deleteTagsLocked(p *deleteTagsParams) (any, error) {
	var lists []*tagList
	for _, id := range p.ResourceIds {
		list, _, err := s.ec2TaggedLocked(id)
		if err != nil {
			return nil, err
		}
		lists = append(lists, list)
	}
	doomed := func(t tag) bool {
		return len(p.Tags) == 0 || slices.ContainsFunc(p.Tags, func(d ec2TagParams) bool {
			return d.Key == t.key && (d.Value == nil || *d.Value == t.value)
		})
	}
	for _, list := range lists {
		*list = slices.DeleteFunc(slices.Clone(*list), doomed)
	}
	return returnResult{true}, nil
}

type taggedResult struct {
	ResourceId   string
	ResourceType string
	Key, Value   *string
}

var tagListing = listing[taggedResult]{
	id: func(t taggedResult) string { return t.ResourceId + "/" + *t.Key },
	filters: map[string]func(taggedResult) []string{
		"key":           one(func(t taggedResult) string { return *t.Key }),
		"resource-id":   one(func(t taggedResult) string { return t.ResourceId }),
		"resource-type": one(func(t taggedResult) string { return t.ResourceType }),
		"value":         one(func(t taggedResult) string { return *t.Value }),
	},
	tags: func(t taggedResult) tagList { return tagList{{*t.Key, *t.Value}} },
}

func (s *Sim) describeEC2TagsLocked(p *describeEC2TagsParams) (any, error) {
	ids := slices.Concat(sortedKeys(s.securityGroups), sortedKeys(s.subnets), sortedKeys(s.vpcs))
	var all []taggedResult
	for _, id := range ids {
		tags, resourceType, err := s.ec2TaggedLocked(id)
		if err != nil {
			continue // A group that is too new to be found.
		}
		keys := slices.SortedFunc(slices.Values(*tags), func(a, b tag) int { return strings.Compare(a.key, b.key) })
		for _, t := range keys {
			all = append(all, taggedResult{id, resourceType, new(t.key), new(t.value)})
		}
	}
	shown, next, err := tagListing.list(all, nil, p.listParams)
	if err != nil {
		return nil, err
	}
	return struct {
		TagSet    []taggedResult
		NextToken string
	}{shown, next}, nil
}
