package awssim

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

type createGroupParams struct {
	GroupName         string `check:"required,max=255"`
	Description       string `check:"required,max=255" name:"GroupDescription"`
	VpcId             string
	TagSpecifications []tagSpecification `name:"TagSpecification"`
	dryRunParams
}

type deleteGroupParams struct {
	GroupId   string `check:"required"`
	GroupName unsupported
	dryRunParams
}

type describeGroupsParams struct {
	GroupIds   []string `name:"GroupId"`
	GroupNames []string `name:"GroupName"`
	listParams
}

func (p *describeGroupsParams) scans() bool { return p.unlimited() }

type groupResult struct {
	GroupId             string
	GroupName           string
	GroupDescription    string
	OwnerId             string
	VpcId               string
	SecurityGroupArn    string
	IpPermissions       []permissionResult
	IpPermissionsEgress []permissionResult
	TagSet              []ec2TagResult
}

// groupText is what the name and the description of a group can hold.
var groupText = regexp.MustCompile(`^[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]+$`)

// newGroupLocked adds a group with its rule for outbound traffic.
func (s *Sim) newGroupLocked(name, description, vpcID string, tags tagList) *securityGroup {
	g := &securityGroup{
		id:          s.newIDLocked(groupKind.prefix, vpcID+"/"+name),
		name:        name,
		description: description,
		vpcID:       vpcID,
		tags:        tags,
	}
	g.egress = []ipPermission{{ruleID: s.newIDLocked(groupRuleKind.prefix, g.id), protocol: anyProtocol, cidr: "0.0.0.0/0"}}
	s.securityGroups[g.id] = g
	return g
}

// defaultGroupLocked is the group that a VPC always has.
func (s *Sim) defaultGroupLocked(vpcID string) *securityGroup {
	for _, g := range s.securityGroups {
		if g.vpcID == vpcID && g.name == "default" {
			return g
		}
	}
	return nil // Not reached: it cannot be deleted.
}

func (s *Sim) findGroupLocked(id string) (*securityGroup, error) {
	if g, ok := s.securityGroups[id]; ok && s.visible(g.created) {
		return g, nil
	}
	return nil, groupKind.missing(id)
}

// check refuses names and descriptions that EC2 refuses.
func (p *createGroupParams) check() error {
	switch {
	case strings.HasPrefix(p.GroupName, "sg-"):
		return errInvalidValue("Value (%s) for parameter GroupName is invalid. Group names may not be in the format sg-*.", p.GroupName)
	case strings.EqualFold(p.GroupName, "default"):
		return errAPI("InvalidGroup.Reserved", "The security group '%s' is reserved", p.GroupName)
	case !groupText.MatchString(p.GroupName):
		return errInvalidValue("Value (%s) for parameter GroupName is invalid.", p.GroupName)
	case !groupText.MatchString(p.Description):
		return errInvalidValue("Value (%s) for parameter GroupDescription is invalid.", p.Description)
	case p.VpcId == "":
		return errAPI("VPCIdNotSpecified", "No default VPC for this user")
	}
	return nil
}

func (s *Sim) createGroupLocked(p *createGroupParams) (any, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	if _, ok := s.vpcs[p.VpcId]; !ok {
		return nil, vpcKind.missing(p.VpcId)
	}
	tags, err := s.specifiedTags("security-group", p.TagSpecifications)
	if err != nil {
		return nil, err
	}
	for _, g := range s.securityGroups {
		if g.vpcID == p.VpcId && g.name == p.GroupName {
			return nil, errAPI("InvalidGroup.Duplicate", "The security group '%s' already exists for VPC '%s'", p.GroupName, p.VpcId)
		}
	}
	if len(s.securityGroups) >= s.quotas.SecurityGroups {
		return nil, errAPI("SecurityGroupLimitExceeded", "The maximum number of security groups has been reached.")
	}
	g := s.newGroupLocked(p.GroupName, p.Description, p.VpcId, tags)
	g.created = time.Now()
	return struct {
		GroupId          string
		SecurityGroupArn string
		TagSet           []ec2TagResult
	}{g.id, s.ec2ARN("security-group/" + g.id), tags.ec2Results()}, nil
}

func (s *Sim) deleteGroupLocked(p *deleteGroupParams) (any, error) {
	g, err := s.findGroupLocked(p.GroupId)
	if err != nil {
		return nil, err
	}
	if g.name == "default" {
		return nil, errAPI("CannotDelete", "the specified group: %q name: %q cannot be deleted by a user", g.id, g.name)
	}
	if s.groupInUseLocked(g) {
		return nil, errAPI("DependencyViolation", "resource %s has a dependent object", g.id)
	}
	delete(s.securityGroups, g.id)
	return struct {
		Return  bool
		GroupId string
	}{true, g.id}, nil
}

// groupInUseLocked tells whether an interface has the group or a rule of another
// group names it.
func (s *Sim) groupInUseLocked(g *securityGroup) bool {
	for _, n := range s.interfacesLocked() {
		if slices.Contains(n.groups(), g.id) {
			return true
		}
	}
	names := func(p ipPermission) bool { return p.groupID == g.id }
	for _, other := range s.securityGroups {
		if other != g && (slices.ContainsFunc(other.ingress, names) || slices.ContainsFunc(other.egress, names)) {
			return true
		}
	}
	return false
}

// ofRules makes a filter of a property of a group's inbound rules.
func ofRules(property func(ipPermission) string) func(*securityGroup) []string {
	return func(g *securityGroup) []string {
		var values []string
		for _, p := range g.ingress {
			values = append(values, property(p))
		}
		return values
	}
}

var groupListing = listing[*securityGroup]{
	kind: groupKind,
	id:   func(g *securityGroup) string { return g.id },
	tags: func(g *securityGroup) tagList { return g.tags },
	filters: map[string]func(*securityGroup) []string{
		"description":            one(func(g *securityGroup) string { return g.description }),
		"group-id":               one(func(g *securityGroup) string { return g.id }),
		"group-name":             one(func(g *securityGroup) string { return g.name }),
		"ip-permission.cidr":     ofRules(func(p ipPermission) string { return p.cidr }),
		"ip-permission.group-id": ofRules(func(p ipPermission) string { return p.groupID }),
		"ip-permission.protocol": ofRules(func(p ipPermission) string { return p.protocol }),
		"vpc-id":                 one(func(g *securityGroup) string { return g.vpcID }),
	},
}

func (s *Sim) describeGroupsLocked(p *describeGroupsParams) (any, error) {
	if len(p.GroupNames) > 0 { // Without a default VPC, names find nothing.
		return nil, errNotFound("InvalidGroup.NotFound", "The security group '%s' does not exist in default VPC", p.GroupNames[0])
	}
	groups := slices.DeleteFunc(sorted(s.securityGroups), func(g *securityGroup) bool { return !s.visible(g.created) })
	shown, next, err := groupListing.list(groups, p.GroupIds, p.listParams)
	if err != nil {
		return nil, err
	}
	results := make([]groupResult, 0, len(shown))
	for _, g := range shown {
		results = append(results, groupResult{
			GroupId: g.id, GroupName: g.name, GroupDescription: g.description, OwnerId: s.opts.AccountID, VpcId: g.vpcID,
			SecurityGroupArn: s.ec2ARN("security-group/" + g.id), TagSet: g.tags.ec2Results(),
			IpPermissions: s.permissionResults(g.ingress), IpPermissionsEgress: s.permissionResults(g.egress),
		})
	}
	return struct {
		SecurityGroupInfo []groupResult
		NextToken         string
	}{results, next}, nil
}
