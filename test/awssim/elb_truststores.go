package awssim

// The account has no trust stores and no S3 bucket to make one from: listings of all
// are empty, and nothing that is named is found.

type trustStoreParams struct {
	TrustStoreArn string `check:"required"`
}

type describeTrustStoresParams struct {
	TrustStoreArns []string
	Names          []string
	pageParams
}

type pagedTrustStoreParams struct {
	TrustStoreArn string `check:"required"`
	pageParams
}

type describeRevocationsParams struct {
	TrustStoreArn string `check:"required"`
	RevocationIds []int
	pageParams
}

type bundleParams struct {
	CaCertificatesBundleS3Bucket        string `check:"required"`
	CaCertificatesBundleS3Key           string `check:"required"`
	CaCertificatesBundleS3ObjectVersion string
}

type createTrustStoreParams struct {
	Name string `check:"required,max=32"`
	Tags []tagParams
	bundleParams
}

type modifyTrustStoreParams struct {
	TrustStoreArn string `check:"required"`
	bundleParams
}

type addRevocationsParams struct {
	TrustStoreArn      string `check:"required"`
	RevocationContents []revocationContent
}

type revocationContent struct{ RevocationType, S3Bucket, S3Key, S3ObjectVersion string }

type removeRevocationsParams struct {
	TrustStoreArn string `check:"required"`
	RevocationIds []int  `check:"required"`
}

type revocationContentParams struct {
	TrustStoreArn string `check:"required"`
	RevocationId  *int   `check:"required"`
}

type sharedAssociationParams struct {
	TrustStoreArn string `check:"required"`
	ResourceArn   string `check:"required"`
}

type resourcePolicyParams struct {
	ResourceArn string `check:"required"`
}

func errNoTrustStore(name string) error {
	return errNotFound("TrustStoreNotFound", "Trust store '%s' not found", name)
}

func (s *Sim) describeTrustStoresLocked(p *describeTrustStoresParams) (any, error) {
	for _, name := range append(p.TrustStoreArns, p.Names...) {
		return nil, errNoTrustStore(name)
	}
	return struct{ TrustStores []struct{} }{[]struct{}{}}, nil
}

func (s *Sim) createTrustStoreLocked(p *createTrustStoreParams) (any, error) {
	return nil, errNotFound("CaCertificatesBundleNotFound", "The CA certificates bundle '%s/%s' is not found",
		p.CaCertificatesBundleS3Bucket, p.CaCertificatesBundleS3Key)
}

func (s *Sim) resourcePolicyLocked(p *resourcePolicyParams) (any, error) {
	return nil, errNotFound("ResourceNotFound", "Resource '%s' has no policy", p.ResourceArn)
}

// ofNoTrustStore is an action on one trust store. It finds none.
func ofNoTrustStore[P any](r rate, arn func(*P) string) operation {
	return op(r, func(_ *Sim, p *P) (any, error) { return nil, errNoTrustStore(arn(p)) })
}
