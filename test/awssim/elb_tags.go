package awssim

import "strings"

// tagParams and tagResult are a tag on the wire. Its value may be empty.
type tagParams struct {
	Key   string `check:"required"`
	Value string
}

type tagResult struct{ Key, Value *string }

type addTagsParams struct {
	ResourceArns []string    `check:"required,max=20"`
	Tags         []tagParams `check:"required"`
}

type removeTagsParams struct {
	ResourceArns []string `check:"required,max=20"`
	TagKeys      []string `check:"required"`
}

type describeTagsParams struct {
	ResourceArns []string `check:"required,max=20"`
}

type tagDescription struct {
	ResourceArn string
	Tags        []tagResult
}

// newTagsLocked checks tags that are given to a resource that has some already.
func (s *Sim) newTagsLocked(has tagList, params []tagParams) (tagList, error) {
	seen := map[string]bool{}
	var tags tagList
	for _, p := range params {
		t := tag{p.Key, p.Value}
		if problem := t.problem(); problem != "" {
			return nil, errValidation("%s", problem)
		}
		if seen[t.key] {
			return nil, errAPI("DuplicateTagKeys", "A tag key was specified more than once: '%s'", t.key)
		}
		seen[t.key] = true
		tags = append(tags, t)
	}
	all := has.with(tags)
	if len(all) > s.quotas.TagsPerResource {
		return nil, errAPI("TooManyTags", "The maximum number of tags for this resource, %d, has been reached", s.quotas.TagsPerResource)
	}
	return all, nil
}

func (t tagList) results() []tagResult {
	results := make([]tagResult, 0, len(t))
	for _, tag := range t {
		results = append(results, tagResult{new(tag.key), new(tag.value)})
	}
	return results
}

// taggedLocked finds the tags of any resource that can have some.
func (s *Sim) taggedLocked(arn string) (*tagList, error) {
	kind, _, _ := strings.Cut(strings.TrimPrefix(arn, s.elbARN("")), "/")
	switch kind {
	case "loadbalancer":
		lb, err := s.findLoadBalancerLocked(arn)
		if err != nil {
			return nil, err
		}
		return &lb.tags, nil
	case "targetgroup":
		g, err := s.findTargetGroupLocked(arn)
		if err != nil {
			return nil, err
		}
		return &g.tags, nil
	case "listener":
		l, err := s.findListenerLocked(arn)
		if err != nil {
			return nil, err
		}
		return &l.tags, nil
	case "listener-rule":
		r, err := s.findRuleLocked(arn)
		if err != nil {
			return nil, err
		}
		return &r.tags, nil
	}
	return nil, errValidation("'%s' is not a valid resource ARN", arn)
}

// allTaggedLocked finds the tags of several resources, or fails for all.
func (s *Sim) allTaggedLocked(arns []string) ([]*tagList, error) {
	lists := make([]*tagList, 0, len(arns))
	for _, arn := range arns {
		tags, err := s.taggedLocked(arn)
		if err != nil {
			return nil, err
		}
		lists = append(lists, tags)
	}
	return lists, nil
}

func (s *Sim) addTagsLocked(p *addTagsParams) (any, error) {
	lists, err := s.allTaggedLocked(p.ResourceArns)
	if err != nil {
		return nil, err
	}
	merged := make([]tagList, len(lists))
	for i, list := range lists {
		if merged[i], err = s.newTagsLocked(*list, p.Tags); err != nil {
			return nil, err
		}
	}
	for i, list := range lists {
		*list = merged[i]
	}
	return struct{}{}, nil
}

func (s *Sim) removeTagsLocked(p *removeTagsParams) (any, error) {
	lists, err := s.allTaggedLocked(p.ResourceArns)
	if err != nil {
		return nil, err
	}
	for _, list := range lists {
		*list = list.without(p.TagKeys)
	}
	return struct{}{}, nil
}

func (s *Sim) describeTagsLocked(p *describeTagsParams) (any, error) {
	lists, err := s.allTaggedLocked(p.ResourceArns)
	if err != nil {
		return nil, err
	}
	descriptions := make([]tagDescription, 0, len(lists))
	for i, list := range lists {
		descriptions = append(descriptions, tagDescription{p.ResourceArns[i], list.results()})
	}
	return struct{ TagDescriptions []tagDescription }{descriptions}, nil
}
