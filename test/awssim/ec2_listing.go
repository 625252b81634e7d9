package awssim

import (
	"slices"
	"strings"
)

type filterParams struct {
	Name   string   `check:"required"`
	Values []string `name:"Value"`
}

// listParams ask for a part of a listing.
type listParams struct {
	Filters    []filterParams `name:"Filter"`
	MaxResults *int           `check:"min=5,max=1000"`
	NextToken  string
	dryRunParams
}

type dryRunParams struct{ DryRun dryRun }

// unlimited tells whether a listing is unfiltered and unpaginated. Of some
// actions, such calls have a smaller bucket.
func (p listParams) unlimited() bool { return len(p.Filters) == 0 && p.MaxResults == nil }

// ec2Kind is a kind of EC2 resource: how its identifiers begin and how AWS says
// that one does not exist.
type ec2Kind struct{ prefix, noun, notFound, malformed string }

var (
	vpcKind       = ec2Kind{"vpc-", "vpc ID", "InvalidVpcID.NotFound", "InvalidVpcID.Malformed"}
	subnetKind    = ec2Kind{"subnet-", "subnet ID", "InvalidSubnetID.NotFound", "InvalidSubnetID.Malformed"}
	groupKind     = ec2Kind{"sg-", "security group", "InvalidGroup.NotFound", "InvalidGroupId.Malformed"}
	groupRuleKind = ec2Kind{"sgr-", "security group rule ID", "InvalidSecurityGroupRuleId.NotFound", "InvalidSecurityGroupRuleId.Malformed"}
	interfaceKind = ec2Kind{"eni-", "networkInterface ID", "InvalidNetworkInterfaceID.NotFound", "InvalidNetworkInterfaceId.Malformed"}
	tableKind     = ec2Kind{"rtb-", "routeTable ID", "InvalidRouteTableID.NotFound", "InvalidRouteTableId.Malformed"}
)

func (k ec2Kind) missing(id string) error {
	if !strings.HasPrefix(id, k.prefix) {
		return errAPI(k.malformed, "Invalid id: %q (expecting %q)", id, k.prefix+"...")
	}
	return errNotFound(k.notFound, "The %s '%s' does not exist", k.noun, id)
}

// listing is a kind of resource as it can be listed.
type listing[T any] struct {
	kind    ec2Kind
	id      func(T) string
	filters map[string]func(T) []string // what a filter compares with
	tags    func(T) tagList             // nil: it has none
}

// one makes a filter of a property with one value.
func one[T any](property func(T) string) func(T) []string {
	return func(item T) []string { return []string{property(item)} }
}

// list is the part of items, in the order of their IDs, that p and ids ask for.
func (l listing[T]) list(items []T, ids []string, p listParams) (shown []T, next string, err error) {
	if len(ids) > 0 {
		if p.MaxResults != nil {
			return nil, "", errAPI("InvalidParameterCombination", "The parameter MaxResults cannot be used with identifiers")
		}
		if items, err = l.byID(items, ids); err != nil {
			return nil, "", err
		}
	}
	for _, f := range p.Filters {
		values, err := l.valuesOf(f.Name)
		if err != nil {
			return nil, "", err
		}
		items = slices.DeleteFunc(slices.Clone(items), func(item T) bool { return !f.matches(values(item)) })
	}
	size := len(items)
	set(&size, p.MaxResults)
	shown, next, err = paginate(items, l.id, pageParams{Marker: p.NextToken, PageSize: max(1, size)})
	if err != nil {
		return nil, "", errAPI("InvalidNextToken", "The token '%s' is invalid", p.NextToken)
	}
	return shown, next, nil
}

// byID keeps the items that ids name, or fails for all.
func (l listing[T]) byID(items []T, ids []string) ([]T, error) {
	for _, id := range ids {
		if !slices.ContainsFunc(items, func(item T) bool { return l.id(item) == id }) {
			return nil, l.kind.missing(id)
		}
	}
	return slices.DeleteFunc(slices.Clone(items), func(item T) bool { return !slices.Contains(ids, l.id(item)) }), nil
}

// valuesOf is what the filter with this name compares with.
func (l listing[T]) valuesOf(name string) (func(T) []string, error) {
	if values, ok := l.filters[name]; ok {
		return values, nil
	}
	if l.tags == nil {
		return nil, errInvalidValue("The filter '%s' is invalid", name)
	}
	pick := func(property func(tag) string, wanted func(tag) bool) func(T) []string {
		return func(item T) []string {
			var values []string
			for _, t := range l.tags(item) {
				if wanted(t) {
					values = append(values, property(t))
				}
			}
			return values
		}
	}
	key, value := func(t tag) string { return t.key }, func(t tag) string { return t.value }
	always := func(tag) bool { return true }
	if k, ok := strings.CutPrefix(name, "tag:"); ok {
		return pick(value, func(t tag) bool { return t.key == k }), nil
	}
	switch name {
	case "tag-key":
		return pick(key, always), nil
	case "tag-value":
		return pick(value, always), nil
	}
	return nil, errInvalidValue("The filter '%s' is invalid", name)
}

// matches tells whether one of the filter's patterns fits one of the values.
func (f filterParams) matches(values []string) bool {
	return slices.ContainsFunc(f.Values, func(pattern string) bool {
		return slices.ContainsFunc(values, func(v string) bool { return wildcard(pattern, v) })
	})
}
