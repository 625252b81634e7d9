package awssim

// Of the resources below the account has none: what is listed by filters is empty, and
// nothing that is named is found. A filter can have any name, since none can fit.

type describeAddressesParams struct {
	AllocationIds []string       `name:"AllocationId"`
	PublicIps     []string       `name:"PublicIp"`
	Filters       []filterParams `name:"Filter"`
	dryRunParams
}

type describePeeringsParams struct {
	VpcPeeringConnectionIds []string `name:"VpcPeeringConnectionId"`
	listParams
}

type describeCoipPoolsParams struct {
	PoolIds []string `name:"PoolId"`
	listParams
}

type coipPoolUsageParams struct {
	PoolId string `check:"required"`
	listParams
}

type describeIpamPoolsParams struct {
	IpamPoolIds []string `name:"IpamPoolId"`
	listParams
}

var (
	allocationKind = ec2Kind{"eipalloc-", "allocation ID", "InvalidAllocationID.NotFound", "InvalidAllocationID.Malformed"}
	peeringKind    = ec2Kind{"pcx-", "vpcPeeringConnection ID", "InvalidVpcPeeringConnectionID.NotFound", "InvalidVpcPeeringConnectionId.Malformed"}
	coipKind       = ec2Kind{"ipv4pool-coip-", "pool ID", "InvalidPoolID.NotFound", "InvalidPoolID.Malformed"}
	ipamKind       = ec2Kind{"ipam-pool-", "IPAM pool ID", "InvalidIpamPoolId.NotFound", "InvalidIpamPoolId.Malformed"}
)

// none is an error if something is named.
func (k ec2Kind) none(ids []string) error {
	for _, id := range ids {
		return k.missing(id)
	}
	return nil
}

func (s *Sim) describeAddressesLocked(p *describeAddressesParams) (any, error) {
	for _, ip := range p.PublicIps {
		return nil, errNotFound("InvalidAddress.NotFound", "Address '%s' not found.", ip)
	}
	return struct{ AddressesSet []struct{} }{[]struct{}{}}, allocationKind.none(p.AllocationIds)
}

func (s *Sim) describePeeringsLocked(p *describePeeringsParams) (any, error) {
	return struct{ VpcPeeringConnectionSet []struct{} }{[]struct{}{}}, peeringKind.none(p.VpcPeeringConnectionIds)
}

func (s *Sim) describeCoipPoolsLocked(p *describeCoipPoolsParams) (any, error) {
	return struct{ CoipPoolSet []struct{} }{[]struct{}{}}, coipKind.none(p.PoolIds)
}

func (s *Sim) coipPoolUsageLocked(p *coipPoolUsageParams) (any, error) {
	return nil, coipKind.missing(p.PoolId)
}

func (s *Sim) describeIpamPoolsLocked(p *describeIpamPoolsParams) (any, error) {
	return struct{ IpamPoolSet []struct{} }{[]struct{}{}}, ipamKind.none(p.IpamPoolIds)
}
