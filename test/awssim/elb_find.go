package awssim

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// maxPage is the largest page of a listing, and the size of one that asks for no
// size.
const maxPage = 400

// pageParams ask for a page of a listing.
type pageParams struct {
	Marker   string
	PageSize int `check:"min=1,max=400"`
}

// visible tells whether other calls find a resource that was made at created.
func (s *Sim) visible(created time.Time) bool {
	return !s.now().Before(created.Add(s.opts.Switches.ReadAfterCreate))
}

// checkARN refuses what is not an ARN of this kind at all.
func (s *Sim) checkARN(kind, noun, arn string) error {
	if !strings.HasPrefix(arn, s.elbARN(kind+"/")) {
		return errValidation("'%s' is not a valid %s ARN", arn, noun)
	}
	return nil
}

func (s *Sim) findLoadBalancerLocked(arn string) (*loadBalancer, error) {
	if err := s.checkARN("loadbalancer", "load balancer", arn); err != nil {
		return nil, err
	}
	if lb, ok := s.loadBalancers[arn]; ok && s.visible(lb.created) {
		return lb, nil
	}
	return nil, errNotFound("LoadBalancerNotFound", "Load balancer '%s' not found", arn)
}

func (s *Sim) findTargetGroupLocked(arn string) (*targetGroup, error) {
	if err := s.checkARN("targetgroup", "target group", arn); err != nil {
		return nil, err
	}
	if g, ok := s.targetGroups[arn]; ok && s.visible(g.created) {
		return g, nil
	}
	return nil, errNotFound("TargetGroupNotFound", "Target group '%s' not found", arn)
}

func (s *Sim) findListenerLocked(arn string) (*listener, error) {
	if err := s.checkARN("listener", "listener", arn); err != nil {
		return nil, err
	}
	if l, ok := s.listeners[arn]; ok && s.visible(l.created) {
		return l, nil
	}
	return nil, errNotFound("ListenerNotFound", "Listener '%s' not found", arn)
}

func (s *Sim) findRuleLocked(arn string) (*rule, error) {
	if err := s.checkARN("listener-rule", "listener rule", arn); err != nil {
		return nil, err
	}
	if r, ok := s.rules[arn]; ok && s.visible(r.created) {
		return r, nil
	}
	return nil, errNotFound("RuleNotFound", "Rule '%s' not found", arn)
}

// findAll finds several resources, or fails for all.
func findAll[T any](arns []string, find func(string) (T, error)) ([]T, error) {
	found := make([]T, 0, len(arns))
	for _, arn := range arns {
		item, err := find(arn)
		if err != nil {
			return nil, err
		}
		found = append(found, item)
	}
	return found, nil
}

// paginate cuts a page out of items, which are in the order of their keys. A marker
// is the key of the last item that was shown, so that a listing survives changes
// between its pages.
func paginate[T any](items []T, key func(T) string, p pageParams) (shown []T, next string, err error) {
	start := 0
	if p.Marker != "" {
		last, err := base64.URLEncoding.DecodeString(p.Marker)
		if err != nil {
			return nil, "", errValidation("'%s' is not a valid marker", p.Marker)
		}
		start, _ = slices.BinarySearchFunc(items, string(last), func(item T, last string) int {
			if c := cmp.Compare(key(item), last); c != 0 {
				return c
			}
			return -1
		})
	}
	size := p.PageSize
	if size == 0 {
		size = maxPage
	}
	end := min(start+size, len(items))
	if end < len(items) {
		next = base64.URLEncoding.EncodeToString([]byte(key(items[end-1])))
	}
	return items[start:end], next, nil
}

var elbName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$`)

const maxELBName = 32

// checkName refuses names that AWS refuses.
func checkName(noun, name string) error {
	switch {
	case len(name) > maxELBName:
		return errValidation("%s name '%s' cannot be longer than '%d' characters", noun, name, maxELBName)
	case strings.HasPrefix(name, "-") || strings.HasSuffix(name, "-"):
		return errValidation("%s name '%s' cannot begin or end with '-'", noun, name)
	case !elbName.MatchString(name):
		return errValidation("%s name '%s' contains invalid characters, only alphanumeric characters and hyphens are allowed", noun, name)
	}
	return nil
}

// quoted lists names as AWS does in messages: '[a, b]'.
func quoted(names []string) string { return fmt.Sprintf("'[%s]'", strings.Join(names, ", ")) }
