import sys
sys.path.insert(0,"$ROOT/runs/pictures/code")
from common import *
import denoiser as D
from autoencoder import Autoencoder
import time
torch.manual_seed(0)
def t_of(f,n=4):
    f()
    best=9e9
    for _ in range(n):
        t=time.perf_counter();f();best=min(best,time.perf_counter()-t)
    return best
def dn(batch,sheet):
    m=D.Denoiser()
    if sheet:
        def fwd(self,x):return D.SheetConv.apply(x,self.weight,self.bias)
        D.Conv.forward=fwd
    z=torch.randn(batch,8,16,16);e=torch.randn_like(z);t=torch.rand(batch)
    c=(torch.randn(batch,16,192),torch.randn(batch,16,192),torch.ones(batch,16),torch.randn(batch,256),torch.zeros(batch,dtype=torch.long))
    def f():
        m.zero_grad(set_to_none=True);m.loss(z,e,t,*c)["loss"].backward()
    s=t_of(f);print("denoiser",batch,"sheet" if sheet else "plain",s,batch/s,flush=True)
    if "prof" in sys.argv:
        from torch.profiler import profile
        with profile() as p: f()
        print(p.key_averages().table(sort_by="self_cpu_time_total",row_limit=18))
dn(64,False); dn(128,False)
a=Autoencoder().to(memory_format=torch.channels_last)
x=torch.randn(64,4,64,64).clamp(-1,1).contiguous(memory_format=torch.channels_last);n=torch.randn(64,8,16,16)
def g():
    a.zero_grad(set_to_none=True);a.loss(x,n,np.random.default_rng(0),relative=.4)["loss"].backward()
s=t_of(g);print("ae",64,s,64/s,flush=True)
dn(64,True);dn(128,True)
